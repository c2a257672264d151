"""The workers together: each in its place, replaced one after another."""

import asyncio

from service.config import Config
from service.metrics.definitions import ProcessMetrics
from service.serving.child_processes import ChildProcesses
from service.serving.process_specs import Roles
from service.serving.supervised_process import SupervisedProcess

# For a new worker to have the database checked, services and routes read, and to serve.
START_SECONDS = 30.0


class WorkerPool:
    """As many workers as the settings say, each kept running."""

    def __init__(self, roles: Roles, children: ChildProcesses, metrics: ProcessMetrics) -> None:
        self._roles = roles
        self._children = children
        self._metrics = metrics
        self._places: dict[int, tuple[str, SupervisedProcess]] = {}

    def start(self, config: Config, url: str) -> None:
        """Start all of them, whether they are ready to serve yet or not."""
        for place in range(config.server.workers):
            self._places[place] = self._hire(place, config, url)

    async def replace(self, config: Config, url: str) -> bool:
        """Have each followed by one with `config`; it makes way as soon as that one serves.

        False once a successor did not come to serve: the rest go on as they were. Returns when all that made way have
        ended, so that there are never more than twice as many as are wanted.
        """
        async with asyncio.TaskGroup() as going:
            for place in range(config.server.workers):
                name, successor = self._hire(place, config, url, on_trial=True)
                if not await _serves(successor):
                    going.create_task(successor.dismiss())
                    return False
                self._vacate(place, going)
                self._places[place] = name, successor
            for place in range(config.server.workers, len(self._places)):
                self._vacate(place, going)
        return True

    def let_go(self) -> None:
        """Start no more workers."""
        for _, keeper in self._places.values():
            keeper.let_go()

    def _hire(self, place: int, config: Config, url: str, *, on_trial: bool = False) -> tuple[str, SupervisedProcess]:
        # While both live they measure under two names; the one after takes the first again, and goes on from there.
        taken = self._places[place][0] if place in self._places else None
        name = str(place) if taken != str(place) else f"{place}b"
        role = self._roles.worker(name, config, url)
        return name, SupervisedProcess(role, self._children, self._metrics, on_trial=on_trial)

    def _vacate(self, place: int, going: asyncio.TaskGroup) -> None:
        if place in self._places:
            _, keeper = self._places.pop(place)
            going.create_task(keeper.dismiss())


async def _serves(successor: SupervisedProcess) -> bool:
    try:
        return await successor.serves(START_SECONDS)
    except asyncio.CancelledError:
        successor.let_go()
        raise
