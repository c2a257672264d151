"""Faults of our own, over HTTP: told as ours and never explained."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from service.api import keys
from service.api.app import create_app
from service.api.lifespan import lifespan
from service.api.middlewares import OUTER, guarded
from service.config import Config
from service.database.errors import DatabaseError
from service.domain.statuses import ApplicationCrash, IdentifyRequestError
from service.metrics.definitions import Metrics
from service.observability.requests import log_by_structlog
from tests.api.exchange import IDEMPOTENCY_KEY, post_create, read_envelope, refusal, success
from tests.conftest import AppClient, Client
from tests.factories import CREATE, AppRecord, Records, params
from tests.proxy import Proxy

SECRET = "/srv/secret.py SELECT token FROM vault"

MISBEHAVIOUR: list[tuple[str, Callable[[], BaseException]]] = [
    ("an error", lambda: RuntimeError(SECRET)),
    ("a key error", lambda: KeyError(SECRET)),
    ("an answer that aiohttp would give", lambda: web.HTTPForbidden(reason=SECRET, text=SECRET)),
    ("a redirect", lambda: web.HTTPFound(f"/{SECRET}", headers={"X-Secret": SECRET})),
    ("a group of errors", lambda: ExceptionGroup(SECRET, [ValueError(SECRET)])),
    ("a timeout", lambda: TimeoutError(SECRET)),
    ("a bad text", lambda: UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET)),
]


def on_database(config: Config, url: str) -> Config:
    """The settings with the database at another address."""
    return replace(config, database=replace(config.database, url=url))


def misbehaving(config: Config, misbehave: Callable[[], BaseException | web.Response]) -> web.Application:
    """The service with a create that raises, or answers with, what it is given."""

    async def handler(_request: web.Request) -> web.Response:
        given = misbehave()
        if isinstance(given, BaseException):
            raise given
        return given

    app = web.Application(middlewares=OUTER)
    app[keys.CONFIG] = config
    app[keys.METRICS] = Metrics()
    app[keys.REQUEST_LOG] = log_by_structlog
    app.cleanup_ctx.append(lifespan)
    app.router.add_post("/early", handler)
    app.router.add_post(CREATE, guarded(handler))
    return app


@pytest.fixture
async def distant(config: Config, records: Records, proxy: Proxy, aiohttp_client: AppClient) -> Client:
    """A client of a service whose database is behind the proxy."""
    await records.deploy()
    return await aiohttp_client(create_app(on_database(config, proxy.url)))


async def test_application_crash_without_the_database(
    distant: Client, proxy: Proxy, records: Records, application: AppRecord, user_id: int
) -> None:
    """application-crash, never invalid-token, when the database is away: the last registry still serves."""
    good, unknown = params(application.token, user_id), params("unknown", user_id)
    assert (await post_create(distant, good)).status == "action-successful"
    await proxy.cut()
    for sent in (good, unknown):
        answer = await post_create(distant, sent)
        assert answer.code_and_body == refusal(ApplicationCrash)
        assert (answer.outcome, answer.headers["Retry-After"]) == ("none", "1")
    assert await records.count() == 1


async def test_a_database_that_is_away_is_logged_by_its_reason(
    distant: Client, proxy: Proxy, application: AppRecord, user_id: int
) -> None:
    """Each request that fails so has one line that says why, without a traceback: there may be thousands of them."""
    await proxy.cut()
    with capture_logs() as lines:
        await post_create(distant, params(application.token, user_id))
    (line,) = [line for line in lines if line["event"] == "request-failed"]
    assert line["reason"].startswith(("NotConnected: ", "ConnectionLost: "))
    assert "exc_info" not in line


async def test_a_statement_that_cannot_run_is_logged_with_its_traceback(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """What the tables do not fit is a bug: the line says where it happened."""
    await records.connection.execute("ALTER TABLE requirements RENAME COLUMN value TO worth")
    with capture_logs() as lines:
        await post_create(client, params(application.token, user_id))
    (line,) = [line for line in lines if line["event"] == "request-failed"]
    assert isinstance(line["exc_info"], DatabaseError)


async def test_application_crash_is_over_with_its_cause(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A statement that fails is a crash that wrote nothing; once mended, the next request succeeds."""
    sent = params(application.token, user_id)
    await records.connection.execute("ALTER TABLE requirements RENAME COLUMN value TO worth")
    answer = await post_create(client, sent)
    assert answer.code_and_body == refusal(ApplicationCrash)
    assert answer.outcome == "none"
    assert await records.count() == 0
    await records.connection.execute("ALTER TABLE requirements RENAME COLUMN worth TO value")
    answer = await post_create(client, sent)
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    assert answer.code_and_body == success(row)


@pytest.mark.parametrize("table", ["application_tokens", "sessions", "users", "clients"])
async def test_application_crash_of_a_lookup(
    client: Client, records: Records, application: AppRecord, user_id: int, table: str
) -> None:
    """A lookup that could not be completed is a crash, whatever the token and whichever statement looks it up."""
    await records.connection.execute(f"ALTER TABLE {table} RENAME TO gone")
    for token in (application.token, "unknown"):
        assert (await post_create(client, params(token, user_id))).code_and_body == refusal(ApplicationCrash)
        assert (await post_create(client, params(token, user_id), {IDEMPOTENCY_KEY: "k"})).code_and_body == refusal(
            ApplicationCrash
        )
        assert (await post_create(client, params(token, user_id, key=5))).code_and_body == refusal(ApplicationCrash)


async def test_no_answer_leaves_without_a_verdict(
    config: Config, records: Records, application: AppRecord, user_id: int, aiohttp_client: AppClient
) -> None:
    """A handler that forgets to have the token judged has its answer held back, whatever it is."""
    await records.deploy()
    client = await aiohttp_client(misbehaving(config, lambda: web.Response(text="served")))
    assert (await post_create(client, params(application.token, user_id))).code_and_body == refusal(ApplicationCrash)


@pytest.mark.parametrize("misbehave", [pytest.param(how, id=name) for name, how in MISBEHAVIOUR])
async def test_application_crash_tells_no_cause(
    config: Config,
    records: Records,
    application: AppRecord,
    aiohttp_client: AppClient,
    misbehave: Callable[[], BaseException],
) -> None:
    """application-crash: nothing of what an unforeseen exception says leaves in the body or the headers."""
    await records.deploy()
    client = await aiohttp_client(misbehaving(config, misbehave))
    response = await client.post(
        CREATE, json=params(application.token, 1), headers={IDEMPOTENCY_KEY: "k"}, allow_redirects=False
    )
    sent = str(response.raw_headers) + await response.text()
    assert not any(word in sent for word in ("secret", "SELECT", "Error", "Forbidden", "Traceback", ".py"))
    assert (await read_envelope(response)).code_and_body == refusal(ApplicationCrash)
    assert response.reason == "Internal Server Error"


async def test_identify_request_error_before_the_route(
    config: Config, records: Records, aiohttp_client: AppClient
) -> None:
    """identify-request-error: whatever goes wrong before the route is known, with no more of a cause."""
    await records.deploy()
    client = await aiohttp_client(misbehaving(config, lambda: RuntimeError(SECRET)))
    assert (await read_envelope(await client.post("/early", json={}))).code_and_body == refusal(IdentifyRequestError)


async def test_identify_request_error_without_a_registry(
    config: Config, proxy: Proxy, application: AppRecord, user_id: int, aiohttp_client: AppClient
) -> None:
    """identify-request-error: the registry was never loaded. It is no crash, and nothing says when to retry."""
    await proxy.cut()
    client = await aiohttp_client(create_app(on_database(config, "postgresql://postgres@127.0.0.1:1/none")))
    answer = await post_create(client, params(application.token, user_id))
    assert answer.code_and_body == refusal(IdentifyRequestError)
    assert answer.outcome == "none"
    assert "Retry-After" not in answer.headers
