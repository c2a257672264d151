"""Faults of the service, over HTTP: reported as application-crash or identify-request-error, without a cause."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from service.api import keys
from service.api.actions import ACTIONS
from service.api.app import create_app
from service.api.lifespan import lifespan
from service.api.middlewares import OUTER, through_pipeline
from service.config import Config
from service.database.errors import DatabaseError
from service.domain.statuses import ApplicationCrash, IdentifyRequestError
from service.metrics.definitions import Metrics
from service.observability.request_log import log_by_structlog
from tests.api.conftest import with_database
from tests.api.exchange import IDEMPOTENCY_KEY, post_create, read_envelope, refusal, success
from tests.conftest import AppClient, Client
from tests.factories import CREATE, AppRecord, Records, params
from tests.proxy import Proxy

CRASH = refusal(ApplicationCrash)
SECRET = "/srv/secret.py SELECT token FROM vault"

MISBEHAVIOURS: list[tuple[str, Callable[[], BaseException]]] = [
    ("an error", lambda: RuntimeError(SECRET)),
    ("a key error", lambda: KeyError(SECRET)),
    ("an HTTP exception of aiohttp", lambda: web.HTTPForbidden(reason=SECRET, text=SECRET)),
    ("a redirect", lambda: web.HTTPFound(f"/{SECRET}", headers={"X-Secret": SECRET})),
    ("a group of errors", lambda: ExceptionGroup(SECRET, [ValueError(SECRET)])),
    ("a timeout", lambda: TimeoutError(SECRET)),
    ("a bad text", lambda: UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET)),
]


def app_with_handler(config: Config, misbehave: Callable[[], BaseException | web.Response]) -> web.Application:
    """The service with a create handler that raises or returns the result of `misbehave`."""

    async def handler(_request: web.Request) -> web.Response:
        result = misbehave()
        if isinstance(result, BaseException):
            raise result
        return result

    app = web.Application(middlewares=OUTER)
    app[keys.CONFIG] = config
    app[keys.METRICS] = Metrics()
    app[keys.REQUEST_LOG] = log_by_structlog
    app.cleanup_ctx.append(lifespan)
    app.router.add_post("/early", handler)
    app.router.add_post(CREATE, through_pipeline(replace(ACTIONS[0], handler=handler)))
    return app


async def test_application_crash_without_the_database(
    proxied_client: Client, proxy: Proxy, records: Records, application: AppRecord, user_id: int
) -> None:
    """Without the database a create is application-crash, never invalid-token; the last loaded registry is used."""
    good, unknown = params(application.token, user_id), params("unknown", user_id)
    assert (await post_create(proxied_client, good)).status == "action-successful"
    await proxy.cut()
    for sent in (good, unknown):
        response = await post_create(proxied_client, sent)
        assert response.code_and_body == CRASH
        assert (response.outcome, response.headers["Retry-After"]) == ("none", "1")
    assert await records.count() == 1


async def test_an_unreachable_database_is_logged_by_its_reason(
    proxied_client: Client, proxy: Proxy, application: AppRecord, user_id: int
) -> None:
    """A request that fails because the database is unreachable logs one line with the reason and no traceback."""
    await proxy.cut()
    with capture_logs() as lines:
        await post_create(proxied_client, params(application.token, user_id))
    (line,) = [line for line in lines if line["event"] == "request-failed"]
    assert line["reason"].startswith(("NotConnected: ", "ConnectionLost: "))
    assert "exc_info" not in line


async def test_a_rejected_statement_is_logged_with_its_traceback(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A statement that PostgreSQL rejects is logged with its traceback."""
    await records.connection.execute("ALTER TABLE requirements RENAME COLUMN value TO worth")
    with capture_logs() as lines:
        await post_create(client, params(application.token, user_id))
    (line,) = [line for line in lines if line["event"] == "request-failed"]
    assert isinstance(line["exc_info"], DatabaseError)


async def test_application_crash_ends_with_its_cause(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A failed statement writes nothing, and the next create succeeds once the cause is removed."""
    sent = params(application.token, user_id)
    await records.connection.execute("ALTER TABLE requirements RENAME COLUMN value TO worth")
    response = await post_create(client, sent)
    assert response.code_and_body == CRASH
    assert response.outcome == "none"
    assert await records.count() == 0
    await records.connection.execute("ALTER TABLE requirements RENAME COLUMN worth TO value")
    response = await post_create(client, sent)
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    assert response.code_and_body == success(row)


@pytest.mark.parametrize("table", ["application_tokens", "sessions", "users", "clients"])
async def test_application_crash_of_a_lookup(
    client: Client, records: Records, application: AppRecord, user_id: int, table: str
) -> None:
    """A token look-up that fails is application-crash for every token and every statement that does the look-up."""
    await records.connection.execute(f"ALTER TABLE {table} RENAME TO gone")
    for token in (application.token, "unknown"):
        assert (await post_create(client, params(token, user_id))).code_and_body == CRASH
        assert (await post_create(client, params(token, user_id), {IDEMPOTENCY_KEY: "k"})).code_and_body == CRASH
        assert (await post_create(client, params(token, user_id, key=5))).code_and_body == CRASH


@pytest.mark.parametrize("misbehave", [pytest.param(how, id=name) for name, how in MISBEHAVIOURS])
async def test_application_crash_hides_its_cause(
    config: Config,
    records: Records,
    application: AppRecord,
    aiohttp_client: AppClient,
    misbehave: Callable[[], BaseException],
) -> None:
    """application-crash: no text of an unexpected exception is in the body or the headers."""
    await records.deploy()
    client = await aiohttp_client(app_with_handler(config, misbehave))
    response = await client.post(
        CREATE, json=params(application.token, 1), headers={IDEMPOTENCY_KEY: "k"}, allow_redirects=False
    )
    sent = str(response.raw_headers) + await response.text()
    assert not any(word in sent for word in ("secret", "SELECT", "Error", "Forbidden", "Traceback", ".py"))
    assert (await read_envelope(response)).code_and_body == CRASH
    assert response.reason == "Internal Server Error"


async def test_identify_request_error_before_the_route(
    config: Config, records: Records, aiohttp_client: AppClient
) -> None:
    """identify-request-error: an exception before the route is known, without its cause."""
    await records.deploy()
    client = await aiohttp_client(app_with_handler(config, lambda: RuntimeError(SECRET)))
    assert (await read_envelope(await client.post("/early", json={}))).code_and_body == refusal(IdentifyRequestError)


async def test_identify_request_error_without_a_registry(
    config: Config, proxy: Proxy, application: AppRecord, user_id: int, aiohttp_client: AppClient
) -> None:
    """identify-request-error: the registry was never loaded; there is no Retry-After."""
    await proxy.cut()
    client = await aiohttp_client(create_app(with_database(config, "postgresql://postgres@127.0.0.1:1/none")))
    response = await post_create(client, params(application.token, user_id))
    assert response.code_and_body == refusal(IdentifyRequestError)
    assert response.outcome == "none"
    assert "Retry-After" not in response.headers
