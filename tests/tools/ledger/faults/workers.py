"""Faults of the service's own processes."""

import os
import signal
from collections.abc import AsyncIterator

from tests.tools.ledger.faults.fault import fault
from tests.tools.ledger.system import SystemUnderTest


@fault(0.5)
async def kill_one_worker(system: SystemUnderTest) -> AsyncIterator[None]:
    """Kill a worker with SIGKILL."""
    os.kill(system.random.choice(system.service.workers()), signal.SIGKILL)
    yield


@fault(0.5)
async def kill_all_workers(system: SystemUnderTest) -> AsyncIterator[None]:
    """Kill all workers with SIGKILL at once."""
    for pid in system.service.workers():
        os.kill(pid, signal.SIGKILL)
    yield


@fault(5)
async def halt_a_worker(system: SystemUnderTest) -> AsyncIterator[None]:
    """Suspend a worker with SIGSTOP in the middle of its work."""
    pid = system.random.choice(system.service.workers())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@fault(1, unknowns_per_second=0)
async def restart_workers(system: SystemUnderTest) -> AsyncIterator[None]:
    """Restart all workers with SIGHUP: clients must not notice."""
    before = set(system.service.workers())
    os.kill(system.service.supervisor, signal.SIGHUP)
    yield
    await system.service.wait_replaced(before)
