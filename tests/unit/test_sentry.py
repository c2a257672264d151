"""Sentry events: their contents, and the removal of secrets and of data that a caller sent."""

import base64
import json
import logging
import secrets as random
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import sentry_sdk
import structlog
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from service.observability import error_reports, secrets, sentry

DSN = "https://public@sentry.invalid/1"
# The second one has characters that each encoding escapes. Both are random, because Sentry quotes source lines.
TOKENS = [random.token_urlsafe(32), f'odd "token"/+é {random.token_hex(4)}']


class Captured(Transport):
    """A transport that stores envelopes in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Store `envelope`."""
        self.envelopes.append(envelope)

    def events(self) -> list[dict[str, object]]:
        """Return the events captured so far, as they would be sent."""
        return [json.loads(item.get_bytes()) for envelope in self.envelopes for item in envelope.items]

    def text(self) -> str:
        """Return everything that would be sent, both as JSON and with JSON escapes decoded."""
        sent = b"\n".join(envelope.serialize() for envelope in self.envelopes).decode()
        return sent + "\n".join(str(json.loads(line)) for line in sent.split("\n") if line)


@pytest.fixture
def captured() -> Iterator[Captured]:
    """Start Sentry with a transport in memory, and reset it at the end."""
    transport = Captured()
    sentry.start(DSN, "tests", "1.0", transport=transport)
    yield transport
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    sentry_sdk.get_isolation_scope().clear()
    structlog.contextvars.clear_contextvars()


async def crash(request: web.Request) -> web.Response:
    """Raise in a handler, with the token in every place that Sentry reports."""
    token = json.loads(request.headers["X-Raw"])
    secrets.remember(token)
    structlog.contextvars.bind_contextvars(request_id=request.headers["X-Request-ID"])
    body = await request.text()
    logging.getLogger("service").info("token %s", token, extra={"seen": {token: [token]}})
    sentry_sdk.add_breadcrumb(message=body, data={"url": str(request.url), "http.query": request.query_string})
    sentry_sdk.set_tag("seen", token)
    sentry_sdk.set_extra(token, {"deep": [request.query_string, body, {"b": token.encode()}]})
    sentry_sdk.set_context("seen", {"header": str(request.headers), "quoted": quote(token)})
    raise LookupError(f"no {token!r} in {body}: postgresql://me:hunter2@db/app")


def app() -> web.Application:
    """Build an application that crashes."""
    application = web.Application()
    application.router.add_post("/crash/{part}", crash)
    return application


def forms(token: str) -> set[str]:
    """Return the forms of `token` that must not be sent."""
    inner = [json.dumps(token)[1:-1], json.dumps(token, ensure_ascii=False)[1:-1]]
    encoded = [
        base64.b64encode(shift + text.encode())[4:-4].decode()
        for text in [token, *inner]
        for shift in (b"", b"x", b"xx")
    ]
    return {token, quote(token), quote(token, safe=""), *inner, *encoded}


@pytest.mark.parametrize("token", TOKENS, ids=["ours", "odd"])
@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "encoded"])
@pytest.mark.filterwarnings("ignore::aiohttp.web_exceptions.NotAppKeyWarning")
async def test_the_token_is_in_no_part_of_what_is_sent(
    aiohttp_client: AiohttpClient, captured: Captured, token: str, *, encoded: bool
) -> None:
    """A crash with the token everywhere arrives with type, route and request id, and without the token."""
    body = json.dumps({"token": token, "key": "k"}).encode()
    client = await aiohttp_client(app())
    quoted = quote(token, safe="")
    answer = await client.post(
        f"/crash/{quoted}?token={quoted}",
        data=base64.b64encode(body) if encoded else body,
        headers={
            "Content-Type": "text/plain" if encoded else "application/json",
            "Authorization": f"Bearer {quoted}",
            "X-Request-ID": "r-1",
            "X-Foo": quoted,
            "X-Raw": json.dumps(token),
            "User-Agent": quoted,
            "baggage": f"sentry-public_key=public,sentry-foo={quoted}",
            "sentry-trace": f"{'ab' * 16}-{'cd' * 8}-0",
        },
        cookies={"session": quoted},
    )
    assert answer.status == 500
    (event,) = captured.events()
    assert event["exception"]["values"][-1]["type"] == "LookupError"  # type: ignore[index]
    assert event["transaction"] == "POST /crash/{part}"
    assert event["tags"]["request_id"] == "r-1"  # type: ignore[index]
    assert event["request"].keys() == {"method", "url", "headers"}  # type: ignore[attr-defined]
    assert event["request"]["headers"].keys() == {  # type: ignore[index]
        "Content-Type", "Content-Length", "User-Agent", "X-Request-ID", "Host"
    }  # fmt: skip
    text = captured.text()
    assert [form for form in forms(token) | {"hunter2", '"vars"'} if form in text] == []


def test_sql_values_are_cut_from_database_errors(captured: Captured) -> None:
    """Values of parameters in messages of PostgreSQL and asyncpg are removed."""
    for message in (
        'duplicate key value violates unique constraint "u"\nDETAIL:  Key (key)=(private) already exists.',
        "invalid input for query argument $1: 'private' ('str' object cannot be interpreted)",
        'invalid input syntax for type bigint: "private"',
    ):
        sentry_sdk.capture_exception(ValueError(message))
    assert len(captured.events()) == 3
    assert "private" not in captured.text()


def test_an_error_logged_by_a_library_is_one_event(captured: Captured) -> None:
    """A failed task that asyncio logs is reported once, without the arguments of the log record."""
    failure = ValueError("lost")
    logging.getLogger("asyncio").error("task %s", "private", exc_info=failure)
    sentry_sdk.capture_exception(failure)
    (event,) = captured.events()
    assert "params" not in event["logentry"]  # type: ignore[operator]


def test_transactions_are_cleaned_like_events() -> None:
    """Query strings and SQL parameters are removed from spans."""
    span: dict[str, object] = {
        "description": "GET https://x.invalid/a?private#b",
        "data": {"http.query": "private", "db.params": ["private"]},
    }
    sent = sentry.before_send_transaction({"type": "transaction", "spans": [span]}, {})
    assert sent == {"type": "transaction", "spans": [{"description": "GET https://x.invalid/a", "data": {}}]}


def test_without_a_dsn_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a DSN, Sentry is not started, even if SENTRY_DSN is set in the environment."""
    monkeypatch.setenv("SENTRY_DSN", DSN)
    error_reports.start(None, "tests", "1.0")
    assert not sentry_sdk.get_client().is_active()


def test_without_a_dsn_the_sdk_is_not_imported() -> None:
    """A process that reports nothing does not spend memory and time on the SDK."""
    modules = "service.cli, service.serving.worker, service.serving.admin_process"
    command = f"import sys, {modules}; sys.exit('sentry_sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0  # noqa: S603 - our own command
