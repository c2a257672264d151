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
    return {row["token_digest"]: _found(row) for row in rows}


async def touch_sessions(database: Database, session_ids: Sequence[int], interval: timedelta) -> int:
    """Record the use of those sessions whose last recorded use is at least `interval` ago; how many were."""
    return len(await database.fetch(QUERIES["touch_sessions"], session_ids, interval))


def _found(row: asyncpg.Record) -> Found:
    return Found(Caller(_application(row), _session(row), row["revoked"]), row["now"])


def _application(row: asyncpg.Record) -> Application | None:
    if row["application_id"] is None:
        return None
    return Application(
        id=row["application_id"],
        slug=row["slug"],
        name=row["name"],
        active=row["active"],
        created_at=row["application_created_at"],
        updated_at=row["application_updated_at"],
    )


def _session(row: asyncpg.Record) -> Session | None:
    if row["session_id"] is None:
        return None
    return Session(
        id=row["session_id"],
        user_id=row["user_id"],
        email=row["email"],
        roles=tuple(row["roles"]),
        remember_me=row["remember_me"],
        created_at=row["session_created_at"],
        last_used_at=row["last_used_at"],
    )
