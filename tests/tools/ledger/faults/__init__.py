"""All faults, by name; a file for each thing that breaks."""

from types import ModuleType

from tests.tools.ledger.faults import changes, clients, clock, disk, mandrill, network, postgres, workers
from tests.tools.ledger.faults.kinds import Fault

MODULES: tuple[ModuleType, ...] = (workers, postgres, network, clients, changes, disk, mandrill, clock)

FAULTS = {found.name: found for module in MODULES for found in vars(module).values() if isinstance(found, Fault)}
