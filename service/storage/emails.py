"""The outbox: e-mails as rows that a process leases, sends, and stores the result of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from service.database.pool import Database
from service.database.queries import QUERIES
from service.domain.requirements import Requirement
from service.storage.notifications import Notification
from service.storage.pages import LAST_ID, PAGE_SIZE, Page, page_of
from service.storage.requirements import requirement_from_columns
from service.storage.statements import Executor, Rows, fetch

STATES = ("pending", "sent", "dead")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A leased e-mail: `attempt` is the number of this attempt, `recipients` those that have not been accepted yet."""

    id: int
    attempt: int
    recipients: Sequence[str]
    requirement: Requirement


@dataclass(frozen=True, slots=True)
class Settlement:
    """The result of an attempt.

    `accepted` are the recipients that were accepted. If recipients are left: `reason` says why, and the e-mail is
    `dead`, or due again after `delay`. `notification` is created unless the e-mail is sent.
    """

    accepted: Sequence[str]
    reason: str | None = None
    dead: bool = False
    delay: timedelta = timedelta(0)
    notification: Notification | None = None


async def claim_emails(database: Database, limit: int, lease: timedelta) -> list[Claimed]:
    """Lease up to `limit` due e-mails for the time `lease`. Raises a `DatabaseError`."""
    rows = await database.fetch(QUERIES["claim_emails"], limit, lease)
    return [
        Claimed(email_id, attempts, tuple(recipients), requirement_from_columns(columns))
        for email_id, attempts, recipients, *columns in rows
    ]


async def settle_email(database: Database, email: Claimed, settlement: Settlement) -> None:
    """Store the result of the attempt. Doing so again changes nothing. Raises a `DatabaseError`."""
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
    """The id of a requirement's e-mail, or None unless its first attempt is under way. Raises a `DatabaseError`."""
    rows = await database.fetch(QUERIES["find_own_email"], requirement_id, timeout=timeout)
    return rows[0]["id"] if rows else None


async def list_emails(executor: Executor, state: str | None, limit: int, before: int = LAST_ID) -> Rows:
    """The latest e-mails before an id; only those in `state` if it is given."""
    return await fetch(executor, QUERIES["list_emails"], state, limit, before)


async def email_page(executor: Executor, before: int, state: str | None) -> Page:
    """The e-mails before an id, newest first; only those in `state` if it is given."""
    return page_of(await list_emails(executor, state, PAGE_SIZE + 1, before), "id")


async def retry_emails(connection: asyncpg.Connection, ids: Sequence[int] | None) -> list[int]:
    """Make e-mails due now, with their attempts counted from 0. Return their ids.

    `ids` None means all. E-mails that are sent, or are being sent, are left out.
    """
    return [row["id"] for row in await fetch(connection, QUERIES["retry_emails"], ids)]
