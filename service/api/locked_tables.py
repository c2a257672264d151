"""Remember which tables are locked, so that calls that name them keep out of the statements of other calls."""

import asyncio
from collections.abc import Awaitable, Callable

from service.database.errors import DatabaseError

# Between two looks at a table that is locked.
CHECK_PAUSE_SECONDS = 0.1


class LockedTables:
    """The association types whose tables are locked, as last found. Nothing runs while there are none."""

    def __init__(self, find: Callable[[], Awaitable[frozenset[str]]]) -> None:
        """`find` returns the association types whose tables are locked at the moment. It may raise `DatabaseError`."""
        self._find = find
        self._watching: asyncio.Task[None] | None = None
        self.types: frozenset[str] = frozenset()

    async def refresh(self) -> frozenset[str]:
        """Look which tables are locked, and keep looking until none is. Return their association types."""
        await self._look()
        if self.types and self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        return self.types

    async def _watch(self) -> None:
        try:
            while self.types:
                await asyncio.sleep(CHECK_PAUSE_SECONDS)
                await self._look()
        finally:
            self._watching = None

    async def _look(self) -> None:
        try:
            self.types = await self._find()
        except DatabaseError:
            # The next statement that waits for a lock leads to another look.
            self.types = frozenset()

    async def close(self) -> None:
        """Stop looking."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
