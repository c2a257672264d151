"""Creates that send an e-mail: the request to Mandrill, the response to the caller, and the stored rows."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
import sentry_sdk
from structlog.testing import capture_logs

from service.config import Config
from service.domain.statuses import MandrillEmailFailed
from service.observability import sentry
from tests.api.exchange import CodeAndBody, post_create, success
from tests.api.waiting import wait_until
from tests.conftest import Client
from tests.factories import CREATE, AppRecord, Records, params
from tests.mail import mandrill_server as fake
from tests.mail.conftest import API_KEY, RECIPIENTS, SENDER, Serve, only
from tests.mail.mandrill_server import MandrillServer, answering
from tests.proxy import proxied
from tests.unit.test_sentry import DSN, Captured

KEY = {"Idempotency-Key": "once"}


def failed(row: asyncpg.Record, **views: object) -> CodeAndBody:
    """The response for the requirement in `row` whose e-mail was not accepted."""
    _, body = success(row, **views)
    return 500, body | {"status": "mandrill-email-failed", "message": MandrillEmailFailed.message()}


async def only_row(records: Records) -> asyncpg.Record:
    """The only requirement."""
    (row,) = await records.connection.fetch("SELECT * FROM requirements")
    return row


@pytest.mark.parametrize("status", ["sent", "queued", "scheduled"])
async def test_an_accepted_email(
    client: Client, mandrill: MandrillServer, records: Records, application: AppRecord, user_id: int, status: str
) -> None:
    """If every recipient is accepted, the create succeeds and the e-mail is stored as sent."""
    mandrill.behaviour = answering(status)
    answer = await post_create(client, params(application.token, user_id))
    assert (answer.code_and_body, answer.outcome) == (success(await only_row(records)), "created")
    row = await only(records.connection, "emails")
    assert row["sent_at"] is not None
    assert {name: row[name] for name in ("requirement_id", "state", "attempts", "sending", "last_error")} == {
        "requirement_id": answer.data["id"],
        "state": "sent",
        "attempts": 1,
        "sending": False,
        "last_error": None,
    }
    assert tuple(row["recipients"]) == RECIPIENTS
    assert await records.connection.fetchval("SELECT count(*) FROM notifications") == 0


async def test_the_request_to_mandrill(
    client: Client, mandrill: MandrillServer, records: Records, application: AppRecord, user_id: int
) -> None:
    """Mandrill receives one POST with the API key and the message for all recipients."""
    await post_create(client, params(application.token, user_id, key="tier", value="gold"))
    row, email = await only_row(records), await only(records.connection, "emails")
    (body,) = mandrill.requests
    reference = f"User {user_id}"
    html = body["message"].pop("html")
    assert body == {
        "key": API_KEY,
        "async": False,
        "message": {
            "from_email": SENDER,
            "to": [{"email": address, "type": "to"} for address in RECIPIENTS],
            "subject": f"Requirement {row['id']}: {reference} requires {reference}",
            "text": f"{reference} now requires {reference}.\n\nRequirement: {row['id']}\nKey: tier\nValue: gold\n"
            f"Recorded at: {row['created_at'].isoformat().replace('+00:00', 'Z')}\n",
            "headers": {"Date": f"{row['created_at']:%a, %d %b %Y %H:%M:%S} +0000"},
            "metadata": {"email_id": email["id"], "requirement_id": row["id"]},
            "preserve_recipients": False,
        },
    }
    assert "<td>gold</td>" in html


FAULTS = [
    ("rejects one", answering("sent", but={RECIPIENTS[1]: "rejected"}),
     "Mandrill did not accept 1 of 2 recipients: rejected hard-bounce", [RECIPIENTS[0]]),
    ("finds one invalid", answering("queued", but={RECIPIENTS[0]: "invalid"}),
     "Mandrill did not accept 1 of 2 recipients: invalid", [RECIPIENTS[1]]),
    ("500", fake.failing(500), "Mandrill responded with 500 GeneralError", []),
    ("429", fake.failing(429, "Too_Many"), "Mandrill responded with 429 Too_Many", []),
    ("redirects", fake.redirect, "Mandrill responded with 302", []),
    ("says nonsense", fake.saying("sent"), "Mandrill's response is not a list of recipients", []),
    ("says HTML", fake.saying("<html>Welcome to the wifi</html>", "text/html"),
     "Mandrill's response is not a list of recipients", []),
    ("floods", fake.flood, "Mandrill's response is too long", []),
    ("drips", fake.drip, "Mandrill did not respond in time", []),
    ("hangs", fake.hang, "Mandrill did not respond in time", []),
    ("hangs up", fake.hang_up, "Mandrill could not be reached: ServerDisconnectedError", []),
    ("speaks no HTTP", fake.babble, "Mandrill could not be reached: ClientResponseError", []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("behaviour", "reason", "accepted"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS]
)
async def test_a_fault_is_told_with_the_committed_record(
    still: Client,
    mandrill: MandrillServer,
    records: Records,
    application: AppRecord,
    user_id: int,
    behaviour: fake.Behaviour,
    reason: str,
    accepted: list[str],
) -> None:
    """Any other response is mandrill-email-failed, with the record, one notification and a pending e-mail."""
    mandrill.behaviour = behaviour
    with capture_logs() as lines:
        answer = await post_create(still, params(application.token, user_id), {"X-Request-ID": "the-request"})
    row = await only_row(records)
    assert (answer.code_and_body, answer.outcome) == (failed(row), "created")
    assert "Retry-After" not in answer.headers
    # One line with the reason: a traceback would say nothing about a refusal of Mandrill.
    (line,) = (line for line in lines if line["event"] == "request-failed")
    assert "exc_info" not in line
    assert line["reason"].endswith(f": {reason}")
    email = await only(records.connection, "emails")
    assert (email["state"], email["attempts"], email["sending"]) == ("pending", 1, False)
    assert (email["last_error"], email["accepted"]) == (reason, accepted)
    await assert_notified_once(records, row["id"], email["id"], reason)
    assert len(mandrill.requests) == 1


async def assert_notified_once(records: Records, requirement_id: int, email_id: object, reason: str) -> None:
    """Assert that there is one notification, about an e-mail that failed for `reason`."""
    notification = await only(records.connection, "notifications")
    notification["details"] = json.loads(str(notification["details"]))
    del notification["id"], notification["created_at"]
    assert notification == {
        "kind": "email-failed",
        "message": f"The e-mail about requirement {requirement_id} was not accepted. It will be retried.",
        "request_id": "the-request",
        "count": 1,
        "cause": None,
        "details": {"email_id": email_id, "requirement_id": requirement_id, "attempt": 1, "reason": reason},
        "acknowledged_at": None,
    }


async def test_a_refused_connection_is_a_fault(
    config: Config, serve: Serve, records: Records, application: AppRecord, user_id: int, closed_port: int
) -> None:
    """If Mandrill refuses the connection, the create responds with mandrill-email-failed."""
    settings = replace(config.mandrill, base_url=f"http://127.0.0.1:{closed_port}/api/1.0")
    client = await serve(replace(config, mandrill=settings))
    answer = await post_create(client, params(application.token, user_id))
    assert answer.code_and_body == failed(await only_row(records))
    error = await records.connection.fetchval("SELECT last_error FROM emails")
    assert error == "Mandrill could not be reached: ClientConnectorError"


async def test_views_with_a_failed_email(
    still: Client, mandrill: MandrillServer, records: Records, application: AppRecord, user_id: int
) -> None:
    """A failed e-mail does not change the views: the application is returned, the session is null."""
    mandrill.behaviour = fake.failing(500)
    sent = params(application.token, user_id, session_view="default", application_view="default")
    answer = await post_create(still, sent)
    shown = {"id": application.id, "slug": application.slug, "name": application.slug.title()}
    assert answer.code_and_body == failed(await only_row(records), session=None, application=shown)


async def test_a_replay_sends_nothing(
    still: Client, mandrill: MandrillServer, records: Records, application: AppRecord, user_id: int
) -> None:
    """A replayed create succeeds, whether or not its e-mail was accepted, and sends none."""
    mandrill.behaviour = fake.failing(500)
    first = await post_create(still, params(application.token, user_id), KEY)
    again = await post_create(still, params(application.token, user_id), KEY)
    assert (first.status, first.outcome) == ("mandrill-email-failed", "created")
    assert (again.code_and_body, again.outcome) == (success(await only_row(records)), "replayed")
    assert len(mandrill.requests) == 1
    assert await records.connection.fetchval("SELECT count(*) FROM emails") == 1


async def test_races_for_one_key_send_one_email(
    client: Client, mandrill: MandrillServer, records: Records, application: AppRecord, user_id: int
) -> None:
    """Of several concurrent creates with the same key, one sends an e-mail."""
    answers = await asyncio.gather(*(post_create(client, params(application.token, user_id), KEY) for _ in range(8)))
    assert sorted(answer.outcome or "" for answer in answers) == ["created"] + ["replayed"] * 7
    assert len(mandrill.requests) == 1
    assert await records.connection.fetchval("SELECT count(*) FROM emails") == 1


async def test_concurrent_creates_send_one_email_each(
    client: Client, mandrill: MandrillServer, records: Records, application: AppRecord, user_id: int
) -> None:
    """Creates that share a statement each send an e-mail about their own record."""
    answers = await asyncio.gather(*(post_create(client, params(application.token, user_id)) for _ in range(30)))
    told = {body["message"]["metadata"]["requirement_id"] for body in mandrill.requests}
    assert told == {answer.data["id"] for answer in answers}
    assert len(mandrill.requests) == 30
    assert await records.connection.fetchval("SELECT count(*) FROM emails WHERE state = 'sent'") == 30


async def test_a_refused_create_has_no_email(
    client: Client, mandrill: MandrillServer, records: Records, application: AppRecord, user_id: int
) -> None:
    """A create with a missing reference writes neither a requirement nor an e-mail."""
    answer = await post_create(client, params(application.token, user_id + 1))
    assert answer.status == "invalid-param"
    assert await records.connection.fetchval("SELECT count(*) FROM emails") == 0
    assert mandrill.requests == []


@pytest.mark.parametrize("changes", [{"api_key": None}, {"recipients": ()}])
async def test_without_key_or_recipients_there_are_no_emails(
    config: Config,
    serve: Serve,
    mandrill: MandrillServer,
    records: Records,
    application: AppRecord,
    user_id: int,
    changes: dict[str, Any],
) -> None:
    """E-mails are sent only if both settings are set."""
    client = await serve(replace(config, mandrill=replace(config.mandrill, **changes)))
    answer = await post_create(client, params(application.token, user_id))
    assert answer.status == "action-successful"
    assert await records.connection.fetchval("SELECT count(*) FROM emails") == 0
    assert mandrill.requests == []


async def test_an_email_is_limited_by_the_request_deadline(
    config: Config, serve: Serve, mandrill: MandrillServer, records: Records, application: AppRecord, user_id: int
) -> None:
    """A request with a timeout of one second does not wait longer for a Mandrill that hangs."""
    mandrill.behaviour = fake.hang
    server = replace(config.server, request_timeout_seconds=1.0)
    client = await serve(replace(config, server=server, mandrill=replace(config.mandrill, timeout_seconds=60.0)))
    clock = asyncio.get_running_loop().time
    started = clock()
    answer = await post_create(client, params(application.token, user_id))
    assert clock() - started < 3
    assert answer.code_and_body == failed(await only_row(records))
    assert await records.connection.fetchval("SELECT count(*) FROM notifications") == 1


async def test_no_connection_is_held_while_sending(
    config: Config, serve: Serve, mandrill: MandrillServer, application: AppRecord, user_id: int
) -> None:
    """With one database connection, other requests are served while one waits for Mandrill."""
    database = replace(config.database, pool_size=1)
    client = await serve(replace(config, database=database, mandrill=replace(config.mandrill, timeout_seconds=60.0)))
    assert (await post_create(client, params(application.token, user_id), KEY)).outcome == "created"
    release = asyncio.Event()
    mandrill.behaviour = fake.holding(release)
    mandrill.arrived.clear()
    slow = asyncio.create_task(post_create(client, params(application.token, user_id)))
    await mandrill.arrived.wait()
    for _ in range(5):
        assert (await post_create(client, params(application.token, user_id), KEY)).outcome == "replayed"
    mandrill.behaviour = answering("sent")
    assert (await post_create(client, params(application.token, user_id))).status == "action-successful"
    assert not slow.done()
    release.set()
    assert (await slow).status == "action-successful"


async def test_a_client_disconnects(
    client: Client, mandrill: MandrillServer, records: Records, application: AppRecord, user_id: int
) -> None:
    """If the client disconnects, the e-mail is still sent and its result stored."""
    release = asyncio.Event()
    mandrill.behaviour = fake.holding(release)
    asking = asyncio.create_task(client.post(CREATE, json=params(application.token, user_id)))
    await mandrill.arrived.wait()
    asking.cancel()
    release.set()
    await wait_until(records.connection, "SELECT bool_and(state = 'sent') FROM emails")
    assert len(mandrill.requests) == 1


async def test_a_lost_reply_to_the_insert(
    config: Config,
    serve: Serve,
    mandrill: MandrillServer,
    records: Records,
    application: AppRecord,
    user_id: int,
    database_url: str,
) -> None:
    """If the reply to the insert is lost and the insert repeated, its one e-mail is sent before the response."""
    async with proxied(database_url) as proxy:
        client = await serve(replace(config, database=replace(config.database, url=proxy.url)))
        await post_create(client, params("nobody's", user_id))
        lock = await asyncpg.connect(database_url)
        await lock.execute("BEGIN; LOCK TABLE requirements IN SHARE MODE")
        asking = asyncio.create_task(post_create(client, params(application.token, user_id)))
        await wait_until(lock, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        proxy.lose_replies()
        await lock.execute("COMMIT")
        await lock.close()
        answer = await asking
    assert answer.code_and_body == success(await only_row(records))
    assert len(mandrill.requests) == 1
    assert await records.connection.fetchval("SELECT state FROM emails") == "sent"


async def test_a_failure_is_one_sentry_event(
    still: Client, mandrill: MandrillServer, application: AppRecord, user_id: int
) -> None:
    """A failed e-mail is reported to Sentry once, without the API key."""
    mandrill.behaviour = fake.failing(500, "Invalid_Key")
    transport = Captured()
    sentry.start(DSN, "tests", "1.0", transport=transport)
    try:
        await post_create(still, params(application.token, user_id))
    finally:
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)
    (event,) = transport.events()
    (error,) = event["exception"]["values"]  # type: ignore[index]  # plain JSON
    assert (error["type"], error["value"]) == ("MandrillRefused", "Mandrill responded with 500 Invalid_Key")
    assert API_KEY not in transport.text()


async def test_the_message_is_escaped(
    client: Client, mandrill: MandrillServer, application: AppRecord, user_id: int
) -> None:
    """Values that a caller sent are escaped in the request to Mandrill."""
    await post_create(client, params(application.token, user_id, value="<b>\r\nBcc: x@example.com"))
    message = mandrill.requests[0]["message"]
    assert "<td>&lt;b&gt;\\u000d\\u000aBcc: x@example.com</td>" in message["html"]
    assert "Value: <b>\\u000d\\u000aBcc: x@example.com\n" in message["text"]
