"""Disable batching in the service. Python imports this module automatically if its folder is on the path."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import service.database.batcher
from service.database.batcher import Batcher, Item, Result


class Unbatched(Batcher[Item, Result]):
    """Runs each item immediately and alone, in the caller's task. Only the statement's own timeout applies."""

    def __init__(self, run: Callable[[Sequence[Item]], Coroutine[Any, Any, Sequence[Result]]]) -> None:
        super().__init__(run)
        self._run_alone = run

    async def submit(self, item: Item, deadline: float) -> Result:  # type: ignore[override]  # noqa: ARG002
        """Run `item` and return its result."""
        self.batches += 1
        self.items += 1
        (result,) = await self._run_alone([item])
        return result


service.database.batcher.Batcher = Unbatched  # type: ignore[misc]
