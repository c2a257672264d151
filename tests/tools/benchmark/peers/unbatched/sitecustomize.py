"""Python imports this by itself where its folder is on the path: the service, with no batching."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import service.database.batcher
from service.database.batcher import Batcher, Item, Result


class Unbatched(Batcher[Item, Result]):
    """Runs each item at once and alone, in the task that wants it. Only the statement's own timeout bounds it."""

    def __init__(self, run: Callable[[Sequence[Item]], Coroutine[Any, Any, Sequence[Result]]]) -> None:
        super().__init__(run)
        self._run_alone = run

    async def submit(self, item: Item, deadline: float) -> Result:  # type: ignore[override]  # noqa: ARG002
        """The result of `item`."""
        self.batches += 1
        self.items += 1
        (result,) = await self._run_alone([item])
        return result


service.database.batcher.Batcher = Unbatched  # type: ignore[misc]
