"""The applications and sessions behind tokens, and the record that a session was used."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import asyncpg

from service.callers import Application, Caller, Session
from service.database.pool import Database
from service.database.queries import QUERIES


class Found(NamedTuple):
    """A caller as found, and the database's time when it was."""

    caller: Caller
    now: datetime


def digest(token: str) -> bytes:
    """What is stored of a token, and looked up by."""
    # A lone surrogate is no UTF-8, but a token may hold anything: it is then simply one that nobody owns.
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


async def find_callers(database: Database, digests: Collection[bytes]) -> dict[bytes, Found]:
    """The callers of those token digests that anyone owns. Raises a `DatabaseError`."""
    rows = await database.fetch(QUERIES["find_callers"], digests)
    return {row[0]: _found(row) for row in rows}


async def touch_sessions(database: Database, session_ids: Sequence[int], interval: timedelta) -> int:
    """Record the use of those sessions whose last recorded use is at least `interval` ago; how many were."""
    return len(await database.fetch(QUERIES["touch_sessions"], session_ids, interval))


# The columns stand in the order of these classes: to ask for each by its name is slow.
APPLICATION = slice(3, 3 + len(Application._fields))
SESSION = slice(APPLICATION.stop, APPLICATION.stop + len(Session._fields))


def _found(row: asyncpg.Record) -> Found:
    application, session = row[APPLICATION], row[SESSION]
    caller = Caller(
        Application(*application) if application[0] is not None else None,
        Session(*session) if session[0] is not None else None,
        row[2],
    )
    return Found(caller, row[1])
