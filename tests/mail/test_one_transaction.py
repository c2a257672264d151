"""A requirement and its e-mail in the outbox are written in one transaction."""

import pytest

from service.domain.statuses import ApplicationCrash
from tests.api.exchange import post_create, refusal
from tests.conftest import Client
from tests.factories import AppRecord, Records, params
from tests.mail.mandrill_server import MandrillServer

REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no e-mail'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON emails FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_without_its_email_there_is_no_requirement(
    still: Client,
    mandrill: MandrillServer,
    records: Records,
    application: AppRecord,
    user_id: int,
    headers: dict[str, str],
) -> None:
    """If the e-mail cannot be inserted, the create crashes and writes nothing; otherwise both rows exist."""
    sent = params(application.token, user_id)
    await records.connection.execute(REFUSE)
    answer = await post_create(still, sent, headers)
    assert (answer.code_and_body, answer.outcome) == (refusal(ApplicationCrash), "none")
    assert (await records.count(), mandrill.requests) == (0, [])
    await records.connection.execute("DROP TRIGGER refuse ON emails")
    assert (await post_create(still, sent, headers)).outcome == "created"
    assert await records.connection.fetchval("SELECT count(*) FROM emails JOIN requirements ON true") == 1
