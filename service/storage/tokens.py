"""Token look-ups, and the record of each session's last use."""

from collections.abc import Collection, Sequence
from datetime import timedelta

import asyncpg

from service.database.arrays import array_literal
from service.database.pool import Database
from service.database.queries import QUERIES
from service.domain.callers import Application, Caller, Session, TokenLookup

# Reading columns by name is slow. The block token_verdicts returns them in the order of these classes, after the
# columns of its input.
_NOW, _REFUSAL, _SEES_ALL, _APPLICATION = 1, 2, 3, 4
_SESSION = _APPLICATION + len(Application._fields)
LOOKUP_END = _SESSION + len(Session._fields) - 1  # the application_id of a session is the id of the application
# In short, the columns of the session follow the refusal, without the e-mail address and the roles of its user.
SHORT_LOOKUP_END = _REFUSAL + len(Session._fields) - 1


def judging_tokens(statement: str, *, in_short: bool = False) -> str:
    """The statement or block, with the parts that judge tokens. `in_short` leaves out what only a full session has."""
    user = QUERIES["user_in_short"] if in_short else QUERIES["user_in_full"]
    for name, part in {
        "{token_verdicts}": QUERIES["token_verdicts"],
        "{refusal}": QUERIES["token_refusal"],
        "{records}": QUERIES["token_records"],
        "{user}": user,
    }.items():
        statement = statement.replace(name, part)
    return statement


LOOK_UP_TOKENS = judging_tokens(QUERIES["look_up_tokens"])


async def look_up_tokens(database: Database, digests: Collection[bytes]) -> dict[bytes, TokenLookup]:
    """The verdict on each of these token digests. Raises a `DatabaseError`."""
    rows = await database.fetch(LOOK_UP_TOKENS, array_literal(f"\\x{digest.hex()}" for digest in digests))
    return {row[0]: lookup_of(row) for row in rows}


async def touch_sessions(database: Database, session_ids: Sequence[int], interval: timedelta) -> int:
    """Record the use of the sessions whose last recorded use is at least `interval` ago; return how many.

    Raises a `DatabaseError`.
    """
    return len(await database.fetch(QUERIES["touch_sessions"], array_literal(session_ids), interval))


def lookup_of(row: asyncpg.Record) -> TokenLookup:
    """The token look-up in a row of a statement that contains token_verdicts and has one column before it."""
    application, session = row[_APPLICATION:_SESSION], row[_SESSION:LOOKUP_END]
    caller = Caller(
        Application(*application) if application[0] is not None else None,
        Session(*session, *application[:1]) if session[0] is not None else None,
        row[_SEES_ALL],
    )
    return TokenLookup(row[_NOW], row[_REFUSAL], caller)


def short_lookup_of(row: asyncpg.Record) -> TokenLookup:
    """The token look-up in a row of create_new_requirements."""
    _, now, refusal, session_id, user_id, *session = row[:SHORT_LOOKUP_END]
    found = Session(session_id, user_id, None, None, *session) if session_id is not None else None
    return TokenLookup(now, refusal, Caller(None, found, sees_all=False))
