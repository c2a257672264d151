"""All faults, by name. Each module holds the faults of one component."""

from types import ModuleType

from tests.tools.ledger.faults import changes, clients, clock, disk, mandrill, network, postgres, single_calls, workers
from tests.tools.ledger.faults.fault import Fault

MODULES: tuple[ModuleType, ...] = (workers, postgres, single_calls, network, clients, changes, disk, mandrill, clock)

FAULTS = {found.name: found for module in MODULES for found in vars(module).values() if isinstance(found, Fault)}
