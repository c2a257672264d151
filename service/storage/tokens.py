"""The applications and sessions behind tokens, and the record that a session was used."""

from collections.abc import Collection, Sequence
from datetime import timedelta

import asyncpg

from service.database.pool import Database
from service.database.queries import QUERIES
from service.domain.callers import Application, Caller, Session, TokenLookup

# The columns of the block `callers` stand in the order of these classes, after what was asked: to ask for each by its
# name is slow.
_MOMENT, _REFUSAL, _APPLICATION = 1, 2, 3
_SESSION = _APPLICATION + len(Application._fields)
FOUND_END = _SESSION + len(Session._fields)

FIND_CALLERS = QUERIES["find_callers"].replace("{callers}", QUERIES["callers"])


async def find_callers(database: Database, digests: Collection[bytes]) -> dict[bytes, TokenLookup]:
    """What there is to say of each of these token digests. Raises a `DatabaseError`."""
    rows = await database.fetch(FIND_CALLERS, digests)
    return {row[0]: found(row) for row in rows}


async def touch_sessions(database: Database, session_ids: Sequence[int], interval: timedelta) -> int:
    """Record the use of those sessions whose last recorded use is at least `interval` ago; how many were."""
    return len(await database.fetch(QUERIES["touch_sessions"], session_ids, interval))


def found(row: asyncpg.Record) -> TokenLookup:
    """What a row tells of a caller: the first column is that which was asked about."""
    application, session = row[_APPLICATION:_SESSION], row[_SESSION:FOUND_END]
    caller = Caller(
        Application(*application) if application[0] is not None else None,
        Session(*session) if session[0] is not None else None,
    )
    return TokenLookup(row[_MOMENT], row[_REFUSAL], caller)
