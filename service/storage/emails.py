"""The outbox: e-mails as rows that are claimed, sent by whoever holds the claim, and settled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from service.database.errors import translate_statement_errors
from service.database.pool import Database
from service.database.queries import QUERIES
from service.domain.requirements import Requirement
from service.storage.notifications import Notification
from service.storage.requirements import requirement_of

STATES = ("pending", "sent", "dead")


@dataclass(frozen=True, slots=True)
class Claimed:
    """An e-mail that is ours to send: the number of this attempt, and whom it has not been accepted for yet."""

    id: int
    attempt: int
    recipients: Sequence[str]
    requirement: Requirement


@dataclass(frozen=True, slots=True)
class Settlement:
    """What came of an attempt: who accepted; and where not all have, why, and what happens next."""

    accepted: Sequence[str]
    reason: str | None = None
    dead: bool = False
    delay: timedelta = timedelta(0)
    notification: Notification | None = None


async def claim_emails(database: Database, limit: int, lease: timedelta) -> list[Claimed]:
    """Up to `limit` e-mails that are due, nobody else's for the time of `lease`. Raises a `DatabaseError`."""
    rows = await database.fetch(QUERIES["claim_emails"], limit, lease)
    return [
        Claimed(email_id, attempts, tuple(recipients), requirement_of(columns))
        for email_id, attempts, recipients, *columns in rows
    ]


async def settle_email(database: Database, email: Claimed, settlement: Settlement) -> None:
    """Record what came of the attempt; doing so again changes nothing. Raises a `DatabaseError`."""
    notification = settlement.notification.columns() if settlement.notification else (None, None, None, None)
    await database.fetch(
        QUERIES["settle_email"],
        email.id,
        email.attempt,
        settlement.accepted,
        settlement.dead,
        settlement.delay,
        settlement.reason,
        *notification,
    )


async def find_own_email(database: Database, requirement_id: int, timeout: float) -> int | None:
    """The id of the e-mail written with a requirement that was just made. Raises a `DatabaseError`."""
    rows = await database.fetch(QUERIES["find_own_email"], requirement_id, timeout=timeout)
    return rows[0]["id"] if rows else None


async def list_emails(connection: asyncpg.Connection, state: str | None, limit: int) -> list[asyncpg.Record]:
    """The latest e-mails, only those in `state` where it is given."""
    with translate_statement_errors():
        return await connection.fetch(QUERIES["list_emails"], state, limit)


async def retry_emails(connection: asyncpg.Connection, ids: Sequence[int] | None) -> list[int]:
    """Have those e-mails, or all, sent as new ones are, unless accepted or just being sent; the ids of those."""
    with translate_statement_errors():
        rows = await connection.fetch(QUERIES["retry_emails"], ids)
    return [row["id"] for row in rows]
