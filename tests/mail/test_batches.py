"""E-mails about requirements that a batch creates: the dispatcher sends them, and the batch waits for none."""

import asyncpg

from tests.api.batches import CREATE_MANY, SYNC, item, post, records_of
from tests.api.exchange import IDEMPOTENCY_KEY
from tests.api.waiting import wait_until
from tests.conftest import Client
from tests.factories import AppRecord
from tests.mail.conftest import RECIPIENTS
from tests.mail.mandrill_server import MandrillServer

# One e-mail for each requirement, to all recipients, that nobody has begun to send.
QUEUED = """
SELECT count(*) FROM requirements JOIN emails ON emails.requirement_id = requirements.id
WHERE state = 'pending' AND attempts = 0 AND NOT sending AND leased_until <= now() AND recipients = $1
"""
ALL_SENT = "SELECT count(*) = $1 AND bool_and(state = 'sent' AND attempts = 1) FROM emails"
ABSENT_ID = 2**63 - 1


async def test_emails_are_queued(
    still: Client, mandrill: MandrillServer, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """Each created requirement has an e-mail that is due and leased to nobody; a replay and a refusal queue none."""
    key = {IDEMPOTENCY_KEY: "k"}
    sent = [item(user_id, "a"), item(ABSENT_ID), item(user_id, "b")]
    for outcome in ("mixed", "mixed"):
        answer = await post(still, CREATE_MANY, application.token, key, requirements=sent)
        assert (answer.status, answer.outcome) == ("action-successful", outcome)
    thing = {"type": "User", "id": user_id}
    for dry_run in (True, False):
        wanted = [{"required": thing, "key": "k", "value": "a"}, {"required": thing, "key": "new"}]
        await post(still, SYNC, application.token, requireable=thing, requirements=wanted, dry_run=dry_run)
    assert await connection.fetchval(QUEUED, RECIPIENTS) == 2
    assert await connection.fetchval("SELECT count(*) FROM emails") == 2
    assert mandrill.requests == []


async def test_the_dispatcher_sends_them(
    client: Client, mandrill: MandrillServer, connection: asyncpg.Connection, application: AppRecord, user_id: int
) -> None:
    """The dispatcher sends one e-mail for each requirement, once."""
    answer = await post(client, CREATE_MANY, application.token, requirements=[item(user_id)] * 5)
    await wait_until(connection, ALL_SENT, 5, seconds=10)
    ids = {record["id"] for record in records_of(answer)}
    assert {row["requirement_id"] for row in await connection.fetch("SELECT requirement_id FROM emails")} == ids
    assert len(mandrill.accepted) == len(set(mandrill.accepted)) == 5 * len(RECIPIENTS)
