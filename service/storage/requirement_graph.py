"""Questions about the graph of requirements, each answered within one snapshot and a bounded number of rows."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple

import asyncpg

from service.database.arrays import array_literal
from service.database.errors import ConnectionLost, LockTimeout, StatementTimeout, translate_statement_errors
from service.database.pool import Database
from service.database.queries import QUERIES
from service.domain.callers import Viewer
from service.domain.closures import ClosurePage, ClosureWalk, Position
from service.domain.graph import MORE_ROWS_READ, ROWS_READ_PER_RESULT, Direction, Scope, Thing
from service.domain.paths import PathSide, first_shortest_chain
from service.domain.references import MAX_ID, Reference
from service.domain.requirements import Requirement
from service.storage.requirements import requirement_from_columns
from service.storage.statements import Rows

# A user who sees only own requirements, and has fewer than these, is answered from them alone.
OWN_ROWS_READ = 5_000
# What one statement reads: few enough rows that the event loop is not blocked while they are handled.
ROWS_PER_STATEMENT = 4_000
THINGS_PER_STATEMENT = 4_000
# The part of the request's time in which a walk starts statements. The rest is for finding cycles and for the answer.
_SHARE_OF_TIME = 0.7
_ROLLBACK_SECONDS = 1.0
_BEFORE_ALL_IDS = -MAX_ID - 1

_LINKS: Mapping[Direction, str] = {
    "requires": QUERIES["links_to_required"],
    "required_by": QUERIES["links_to_requireable"],
}

_OwnLinks = Mapping[Thing, Sequence[tuple[int, Thing]]]  # by a thing: requirement id, other end
AddLink = Callable[[int, int, Thing], None]  # place in the level, requirement id, the thing at the other end


class Reading(NamedTuple):
    """How a question is answered: with which pool, for whom, and in how many seconds."""

    database: Database
    viewer: Viewer
    timeout: float


class TooManyRowsError(Exception):
    """The answer takes more rows than a question may read."""


class TooLongError(Exception):
    """The answer takes more time than a request has."""


async def read_closure(
    origin: Reference, direction: Direction, scope: Scope, page: tuple[Position, int], reading: Reading
) -> ClosurePage:
    """A page, given by its position and size, of everything that `origin` requires, or that requires it.

    Raises `TooManyRowsError`, `TooLongError`, `ClosureChangedError` or a `DatabaseError`.
    """
    walk = ClosureWalk(origin, *page)
    async with _links(scope, reading) as links:
        while walk.frontier and walk.depth < scope.max_depth:
            await links.read(direction, walk.frontier, walk.add, lambda: walk.held, walk.trim)
            walk.finish_level()
    return await asyncio.to_thread(walk.page)


async def read_path(start: Reference, goal: Reference, scope: Scope, reading: Reading) -> list[Requirement] | None:
    """A shortest chain of requirements from `start` to `goal`; None if there is none.

    Raises `TooManyRowsError`, `TooLongError` or a `DatabaseError`.
    """
    sides: dict[Direction, PathSide] = {"requires": PathSide(start), "required_by": PathSide(goal)}

    def held() -> int:
        return sum(len(side.levels) for side in sides.values())

    async with _links(scope, reading) as links:
        for depth in range(scope.max_depth + 1):
            chain = first_shortest_chain(sides["requires"], sides["required_by"])
            if chain is not None:
                return await links.records(chain)
            direction = min(sides, key=lambda name: len(sides[name].frontier))
            side = sides[direction]
            if not side.frontier or depth == scope.max_depth:
                break
            await links.read(direction, side.frontier, side.add, held)
            side.finish_level()
    return None


@contextlib.asynccontextmanager
async def _links(scope: Scope, reading: Reading) -> AsyncIterator["_Links"]:
    """The links of one snapshot."""
    links = _Links(scope, reading)
    async with reading.database.connection(reading.timeout) as connection:
        try:
            await links.begin(connection)
            yield links
        except (ConnectionLost, asyncio.CancelledError):
            connection.terminate()
            raise
        finally:
            if not connection.is_closed():
                await _fetch(connection, _ROLLBACK_SECONDS, QUERIES["end_snapshot"])


async def _fetch(connection: asyncpg.Connection, timeout: float, query: str, *args: object) -> Rows:
    with translate_statement_errors():
        return await connection.fetch(query, *args, timeout=timeout)


class _Links:
    """Reads requirements as links between things, and counts the rows that it reads."""

    def __init__(self, scope: Scope, reading: Reading) -> None:
        self._connection: asyncpg.Connection | None = None
        self._viewer = reading.viewer
        self._conditions = (scope.any_key, scope.key, *reading.viewer)
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + reading.timeout
        self._last_start = self._clock() + reading.timeout * _SHARE_OF_TIME
        self._own: Mapping[Direction, _OwnLinks] | None = None
        self.rows_read = 0

    async def begin(self, connection: asyncpg.Connection) -> None:
        """Begin the snapshot on `connection`. Raises a `DatabaseError`.

        If the user sees only own requirements, and these are few, they are read at once. Otherwise a thing that others
        refer to often could take more rows than may be read, although the user sees few of them.
        """
        self._connection = connection
        await self._fetch(QUERIES["begin_snapshot"])
        if not self._viewer.sees_all:
            await self._read_own()

    async def _read_own(self) -> None:
        rows = await self._fetch(QUERIES["own_links"], self._viewer.user_id, OWN_ROWS_READ, *self._conditions[:2])
        self.rows_read += len(rows)
        if len(rows) < OWN_ROWS_READ:
            own: dict[Direction, dict[Thing, list[tuple[int, Thing]]]]
            self._own = own = {"requires": defaultdict(list), "required_by": defaultdict(list)}
            for requirement_id, required_type, required_id, requireable_type, requireable_id, matches in rows:
                if matches:
                    required, requireable = (required_type, required_id), (requireable_type, requireable_id)
                    own["requires"][requireable].append((requirement_id, required))
                    own["required_by"][required].append((requirement_id, requireable))

    async def read(
        self,
        direction: Direction,
        things: Sequence[Thing],
        add: AddLink,
        held: Callable[[], int],
        after_each_statement: Callable[[], None] = lambda: None,
    ) -> None:
        """Pass all links of `things` in a direction to `add`. `held` is the number of results that the answer holds.

        Raises `TooManyRowsError`, `TooLongError` or a `DatabaseError`.
        """
        if self._own is not None:
            for place, thing in enumerate(things):
                for link in self._own[direction].get(thing, ()):
                    add(place, *link)
            return
        first, after = 0, _BEFORE_ALL_IDS
        while first < len(things):
            part = things[first : first + THINGS_PER_STATEMENT]
            limit = self._limit(held())
            types, ids = [kind for kind, _ in part], array_literal(number for _, number in part)
            rows = await self._fetch(_LINKS[direction], types, ids, after, limit, *self._conditions)
            self.rows_read += len(rows)
            for place, requirement_id, kind, number, matches in rows:
                if matches:
                    add(first + place - 1, requirement_id, (kind, number))
            if len(rows) == limit:
                first, after = first + rows[-1]["place"] - 1, rows[-1]["id"]
            else:
                first, after = first + len(part), _BEFORE_ALL_IDS
            after_each_statement()

    async def records(self, ids: Sequence[int]) -> list[Requirement]:
        """The requirements with these ids, in this order. Raises a `DatabaseError`."""
        rows = await self._fetch(QUERIES["read_chain"], array_literal(ids), *self._viewer)
        found = {row["id"]: requirement_from_columns(row) for row in rows}
        return [found[requirement_id] for requirement_id in ids]

    def _limit(self, held: int) -> int:
        """The number of rows that the next statement may read."""
        left = ROWS_READ_PER_RESULT * held + MORE_ROWS_READ - self.rows_read
        if left <= 0:
            raise TooManyRowsError
        # If nothing was read yet, it is not the walk that takes long.
        if self.rows_read and self._clock() > self._last_start:
            raise TooLongError
        return min(left, ROWS_PER_STATEMENT)

    async def _fetch(self, query: str, *args: object) -> Rows:
        assert self._connection is not None  # noqa: S101 - begin comes first
        try:
            return await _fetch(self._connection, max(self._deadline - self._clock(), 0.001), query, *args)
        except LockTimeout:
            raise
        except StatementTimeout as error:
            # If nothing was read yet, it is not the walk that takes long.
            if self.rows_read:
                raise TooLongError from error
            raise
