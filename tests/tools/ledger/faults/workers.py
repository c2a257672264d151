"""Faults of the service's own processes."""

import os
import signal
from collections.abc import AsyncIterator

from tests.tools.ledger.faults.kinds import fault
from tests.tools.ledger.scene import Scene


@fault(0.5)
async def kill_one_worker(scene: Scene) -> AsyncIterator[None]:
    """Kill -9 of a worker."""
    os.kill(scene.random.choice(scene.service.workers()), signal.SIGKILL)
    yield


@fault(0.5)
async def kill_all_workers(scene: Scene) -> AsyncIterator[None]:
    """Kill -9 of all workers at once."""
    for pid in scene.service.workers():
        os.kill(pid, signal.SIGKILL)
    yield


@fault(5)
async def halt_a_worker(scene: Scene) -> AsyncIterator[None]:
    """A worker that stands still, with everything it has begun."""
    pid = scene.random.choice(scene.service.workers())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@fault(1, unknowns=0)
async def restart_workers(scene: Scene) -> AsyncIterator[None]:
    """A rolling restart by SIGHUP: nobody is to notice."""
    before = set(scene.service.workers())
    os.kill(scene.service.supervisor, signal.SIGHUP)
    yield
    await scene.service.replaced(before)
