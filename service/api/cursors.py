"""Cursors of lists: where a page starts, as callers get it and send it back."""

from collections.abc import Sequence
from typing import Any

import orjson

from service.domain.cursors import seal, unseal
from service.domain.lists import Start
from service.domain.statuses import InvalidParam, ParamError
from service.storage.cursor_keys import read_cursor_key
from service.storage.statements import Executor

_UNKNOWN = ParamError("page.after", "must be the next of a page with the same filters, sort and caller")


class Cursors:
    """Makes and opens cursors with the key in the database, which is read when the first cursor needs it.

    A cursor belongs to a context: a sequence of JSON values that says which list it is, and who may see what of it.
    """

    def __init__(self) -> None:
        self._key: bytes | None = None

    async def seal(self, executor: Executor, context: Sequence[object], start: Sequence[object]) -> str:
        """The cursor for a page that starts at `start`. Raises a `DatabaseError`."""
        if self._key is None:
            self._key = await read_cursor_key(executor)
        return seal(self._key, orjson.dumps(context), orjson.dumps(tuple(start)))

    async def unseal(self, executor: Executor, context: Sequence[object], cursor: str) -> Start:
        """Where the page of a cursor starts. Raises `InvalidParam` or a `DatabaseError`."""
        position = await self.open(executor, context, cursor)
        if position is None:
            raise InvalidParam(_UNKNOWN)
        return Start(*position)

    async def open(self, executor: Executor, context: Sequence[object], cursor: str) -> list[Any] | None:
        """The values of the position of a cursor; None if it was not sealed with this context.

        Raises a `DatabaseError`.
        """
        sealed = orjson.dumps(context)
        position = None if self._key is None else unseal(self._key, sealed, cursor)
        if position is None:
            # The database may have been replaced by another one, for example by a restored backup.
            self._key = await read_cursor_key(executor)
            position = unseal(self._key, sealed, cursor)
        return None if position is None else list(orjson.loads(position))
