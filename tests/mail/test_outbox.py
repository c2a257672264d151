"""The outbox: leases, retry delays, and the stored results of attempts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from service.config import Config
from service.database.pool import Database, open_database
from service.mail.backoff import lease, retry_delay
from service.mail.errors import MandrillError
from service.mail.outbox import Outbox, settlement
from service.storage.emails import Claimed, Settlement, claim_emails, retry_emails, settle_email
from service.storage.notifications import Notification
from tests.mail.conftest import only
from tests.mail.outbox import EXPIRE, queue

LEASE = timedelta(seconds=60)
ANN, BOB = "ann@example.com", "Bob@example.com"


@pytest.fixture
async def database(config: Config, database_url: str) -> AsyncIterator[Database]:
    """A pool on the test's database."""
    async with open_database(config.database, database_url) as database:
        yield database


async def claim_one(database: Database) -> Claimed:
    """Claim the only e-mail that is due."""
    (email,) = await claim_emails(database, 10, LEASE)
    return email


DELAYS = [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 64), (8, 128)]


@pytest.mark.parametrize(("attempt", "seconds"), DELAYS)
def test_delays_double(attempt: int, seconds: int) -> None:
    """The first delay is one second and each further one doubles, plus up to a quarter of jitter."""
    assert retry_delay(attempt, 0).total_seconds() == seconds
    assert retry_delay(attempt, 1).total_seconds() == seconds * 1.25


@pytest.mark.parametrize("attempt", [9, 10, 12, 5000])
def test_delays_end_at_five_minutes(attempt: int) -> None:
    """No delay exceeds five minutes, and the longest delays have jitter too."""
    delays = [retry_delay(attempt, chance / 100).total_seconds() for chance in range(101)]
    assert 225 <= min(delays) < max(delays) <= 300
    assert max(delays) - min(delays) > 20


@pytest.mark.parametrize(
    ("attempt", "by_request", "kind", "dead"),
    [
        (1, True, "email-failed", False),
        (2, False, None, False),
        (11, False, None, False),
        (12, False, "email-dead", True),
        (13, False, "email-dead", True),
    ],
)
async def test_which_failures_are_notified(
    database: Database, connection: asyncpg.Connection, attempt: int, by_request: bool, kind: str | None, dead: bool
) -> None:
    """A failed first attempt and a failed last attempt add a notification; other retries do not."""
    await queue(connection)
    email = replace(await claim_one(database), attempt=attempt)
    settled = settlement(email, MandrillError("no", [ANN]), 12, "the-request" if by_request else None)
    assert (settled.dead, settled.accepted, settled.reason) == (dead, [ANN], "no")
    assert (settled.notification.kind if settled.notification else None) == kind


async def test_a_claim_is_a_lease(database: Database, connection: asyncpg.Connection) -> None:
    """A claimed e-mail cannot be claimed again until its lease expires; each claim counts an attempt."""
    (email_id,) = await queue(connection)
    first = await claim_one(database)
    assert (first.id, first.attempt, first.recipients) == (email_id, 2, (ANN, BOB))
    assert await claim_emails(database, 10, LEASE) == []
    await connection.execute(EXPIRE)
    assert (await claim_one(database)).attempt == 3


async def test_concurrent_claims_are_disjoint(
    config: Config, database: Database, database_url: str, connection: asyncpg.Connection
) -> None:
    """With many concurrent claims from two pools, each e-mail is claimed exactly once."""
    ids = await queue(connection, 200)
    async with open_database(config.database, database_url) as other:
        claims = await asyncio.gather(*(claim_emails(pool, 7, LEASE) for pool in (database, other) * 20))
    claimed = [email.id for claim in claims for email in claim]
    assert sorted(claimed) == sorted(ids)
    assert max(map(len, claims)) == 7


async def test_claims_begin_with_the_longest_due(database: Database, connection: asyncpg.Connection) -> None:
    """The e-mail that has been due longest is claimed first."""
    ids = await queue(connection, 3)
    await connection.execute("UPDATE emails SET leased_until = now() - id * interval '1 minute'")
    assert [(await claim_emails(database, 1, LEASE))[0].id for _ in ids] == ids[::-1]


async def test_an_accepted_email_is_sent(database: Database, connection: asyncpg.Connection) -> None:
    """An e-mail that every recipient accepted is sent and never due again."""
    await queue(connection)
    email = await claim_one(database)
    await settle_email(database, email, Settlement(email.recipients))
    row = await only(connection, "emails")
    assert (row["state"], row["sending"], sorted(row["accepted"])) == ("sent", False, [BOB, ANN])
    await connection.execute("UPDATE emails SET leased_until = now()")
    assert await claim_emails(database, 10, LEASE) == []
    assert await retry_emails(connection, None) == []


async def test_a_retry_completes_the_recipients(database: Database, connection: asyncpg.Connection) -> None:
    """A retry has the recipients who have not accepted; once all have, the e-mail is sent."""
    await queue(connection)
    email = await claim_one(database)
    await settle_email(database, email, Settlement([ANN], reason="no"))
    email = await claim_one(database)
    assert email.recipients == (BOB,)
    await settle_email(database, email, Settlement([BOB]))
    assert (await only(connection, "emails"))["state"] == "sent"


async def test_settling_is_idempotent(database: Database, connection: asyncpg.Connection) -> None:
    """A result stored twice, because the reply was lost, adds one notification and one delay."""
    await queue(connection)
    email = await claim_one(database)
    notification = Notification("email-failed", "No.", None, {})
    failure = Settlement([], "no", delay=timedelta(seconds=30), notification=notification)
    await settle_email(database, email, failure)
    before = await only(connection, "emails")
    await settle_email(database, email, failure)
    assert await only(connection, "emails") == before
    assert await connection.fetchval("SELECT count(*) FROM notifications") == 1


async def test_a_late_result_counts_only_acceptances(database: Database, connection: asyncpg.Connection) -> None:
    """After its lease has expired, an attempt can only add accepted recipients."""
    await queue(connection)
    late = await claim_one(database)
    await connection.execute(EXPIRE)
    await claim_one(database)
    before = await only(connection, "emails")
    notification = Notification("email-dead", "No.", None, {})
    await settle_email(database, late, Settlement([], "no", dead=True, notification=notification))
    assert await only(connection, "emails") == before
    await settle_email(database, late, Settlement([ANN], "no", dead=True, notification=notification))
    row = await only(connection, "emails")
    assert (row["state"], row["sending"], row["accepted"]) == ("pending", True, [ANN])
    await settle_email(database, late, Settlement([ANN, BOB]))
    assert (await only(connection, "emails"))["state"] == "sent"
    assert await connection.fetchval("SELECT count(*) FROM notifications") == 0


async def test_a_dead_email_waits_for_an_operator(database: Database, connection: asyncpg.Connection) -> None:
    """A dead e-mail is not claimed until an operator retries it."""
    (email_id,) = await queue(connection)
    await settle_email(database, await claim_one(database), Settlement([], "no", dead=True))
    assert (await only(connection, "emails"))["state"] == "dead"
    assert await claim_emails(database, 10, LEASE) == []
    assert await retry_emails(connection, [email_id]) == [email_id]
    assert (await claim_one(database)).attempt == 1


async def test_an_email_being_sent_is_not_retried(connection: asyncpg.Connection) -> None:
    """An operator cannot retry an e-mail while it is leased and being sent."""
    (email_id,) = await queue(connection, leased_seconds=60)
    assert await retry_emails(connection, [email_id]) == []
    assert await retry_emails(connection, None) == []
    await connection.execute(EXPIRE)
    assert await retry_emails(connection, [email_id]) == [email_id]


async def test_settling_retries_until_the_lease_ends(config: Config, database_url: str) -> None:
    """While the database is unreachable, storing the result is retried until the lease ends."""
    settings = replace(config.database, connect_timeout_seconds=0.1)
    url = database_url.replace("/test_", "/gone_")
    async with open_database(settings, url) as database:
        outbox = Outbox(database, config.mandrill)
        clock = asyncio.get_running_loop().time
        email = Claimed(1, 1, [ANN], None)  # type: ignore[arg-type]  # not used here
        started = clock()
        await outbox.settle(email, None, started + 1.0)
        assert clock() - started >= 0.8


def test_a_lease_outlasts_the_sending() -> None:
    """A lease is longer than the send timeout, to leave time for storing the result."""
    assert lease(5).total_seconds() == 15
