"""Bad inputs against the deployed service: a real process, real sockets, byte-exact requests."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import pytest

from service.domain.callers import digest
from service.domain.statuses import InvalidToken, RouteNonExistent, Status
from tests.api.bad_inputs import bodies, content_types, messages, params
from tests.api.bad_inputs.cases import JSON, TOKEN, USER_ID, Case, Request, cases, with_header, with_param
from tests.api.bad_inputs.wire import Response, connected, exchange, receive
from tests.api.exchange import success
from tests.databases import new_database
from tests.factories import CREATE, Records
from tests.serving.process import Line, Serve, serving

REQUEST_ID = "X-Request-ID"
SETTINGS = {
    "WEB_CONCURRENCY": "1",
    "LOG_LEVEL": "info",
    "REQUIREMENTS__LOGGING__FORMAT": "json",
    "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false",
    "REQUIREMENTS__CONSOLE__PORT": "0",
}


@dataclass(frozen=True)
class Service:
    """The running service, and a connection to its database."""

    serve: Serve
    port: int
    connection: asyncpg.Connection

    async def count(self) -> int:
        """The number of requirements."""
        return await Records(self.connection).count()

    async def send(self, request: Request) -> Response:
        """Send the request; return the response, whose envelope headers are checked."""
        response = await exchange(self.port, request)
        assert response.header("Content-Type") == "application/json; charset=utf-8"
        assert response.header("Cache-Control") == "no-store"
        if response.body:
            assert response.json()["request_id"] == response.header(REQUEST_ID)
        return response

    async def logged(self, request_id: str | None) -> Sequence[Line]:
        """All log lines of an answered request. A later request's line shows that no more will follow."""
        later_request_id = secrets.token_hex(8)
        await self.send(with_header(REQUEST_ID, later_request_id))
        async with asyncio.timeout(5):
            while not any(line.get("request_id") == later_request_id for line in self.serve.events):
                await asyncio.sleep(0.005)
        return [line for line in self.serve.events if line.get("request_id") == request_id]


@pytest.fixture(scope="module")
async def database(server_url: str, template: str) -> AsyncIterator[str]:
    """The URL of a migrated database for the whole module."""
    async with new_database(server_url, template) as url:
        yield url


@pytest.fixture(scope="module")
async def service(database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One process for the whole module, with the records that its requests refer to."""
    connection = await asyncpg.connect(database)
    records = Records(connection)
    await records.deploy()
    await records.application()
    await connection.execute("UPDATE application_tokens SET token_digest = $1", digest(TOKEN))
    assert (await records.user())[0] == USER_ID
    environ = {"DATABASE_URL": database, **SETTINGS}
    async with serving(tmp_path_factory.mktemp("service"), environ=environ) as serve:
        yield Service(serve, urlsplit(serve.url).port or 0, connection)
    await connection.close()


def refusal_body(status: type[Status], errors: object, request_id: str | None) -> dict[str, Any]:
    """The expected envelope of a refusal."""
    body = {"status": status.name, "message": status.message(), "data": None, "request_id": request_id}
    return body | ({"errors": errors} if errors else {})


def at_fault(body: dict[str, Any]) -> tuple[str, ...]:
    """The params that the errors name, each with a message."""
    assert all(set(error) == {"param", "message"} and error["message"] for error in body.get("errors", []))
    return tuple(error["param"] for error in body.get("errors", []))


REFUSED = cases(
    content_types.REFUSED,
    messages.CODINGS,
    messages.SIZES,
    messages.METHODS,
    messages.PATHS,
    messages.KEYS,
    bodies.EMPTY,
    bodies.UNDECODABLE,
    bodies.SUITE,
    bodies.BASE64_FAULTS,
    bodies.ANONYMOUS,
    params.TOKENS,
    params.HASHES,
    params.TEXTS,
    params.VIEWS,
    params.AT_ONCE,
)


@pytest.mark.parametrize("case", REFUSED)
async def test_refused(service: Service, case: Case) -> None:
    """A bad input gets its status within a second, in the envelope, and stores no row."""
    before = await service.count()
    response = await service.send(case.request)
    body = response.json()
    assert body == refusal_body(case.status, body.get("errors"), response.header(REQUEST_ID))
    assert (response.http_code, at_fault(body)) == (case.status.http_code, case.params)
    on_create = (case.request.method, unquote(case.request.target)) == ("POST", CREATE)
    assert response.header("Requirement-Outcome") == ("none" if on_create else None)
    assert await service.count() == before


@pytest.mark.parametrize("case", cases(content_types.ACCEPTED, messages.ACCEPTED, bodies.ACCEPTED))
async def test_accepted(service: Service, case: Case) -> None:
    """A valid request that looks like a bad input creates one requirement."""
    before = await service.count()
    response = await service.send(case.request)
    row = await service.connection.fetchrow("SELECT * FROM requirements ORDER BY id DESC LIMIT 1")
    assert row is not None
    code, body = success(row)
    assert (response.http_code, response.json()) == (code, body | {"request_id": response.header(REQUEST_ID)})
    assert response.header("Requirement-Outcome") == "created"
    assert await service.count() == before + 1


STORED_TEXTS = [
    *(
        pytest.param(param, text, id=f"{param} {name}")
        for param, (name, text) in product(("key", "value"), params.STORED_TEXTS)
    ),
    *(pytest.param("value", text, id=f"value {name}") for name, text in params.STORED_VALUES),
]


@pytest.mark.parametrize("ensure_ascii", [True, False])
@pytest.mark.parametrize(("param", "text"), STORED_TEXTS)
async def test_texts_are_stored_unchanged(service: Service, param: str, text: str, ensure_ascii: bool) -> None:
    """A text is stored and returned exactly, sent escaped or not, and the request logs one line."""
    response = await service.send(with_param(**{param: json.dumps(text, ensure_ascii=ensure_ascii)}))
    row = await service.connection.fetchrow("SELECT * FROM requirements ORDER BY id DESC LIMIT 1")
    assert row is not None
    code, body = success(row)
    request_id = response.header(REQUEST_ID)
    assert (response.http_code, response.json()) == (code, body | {"request_id": request_id})
    assert row[param] == text
    (line,) = await service.logged(request_id)
    assert (line["event"], line["status"]) == ("request", "action-successful")


@pytest.mark.parametrize("request_id_sent", [pytest.param(value, id=name) for name, value in messages.REQUEST_IDS])
async def test_request_id_replaced(service: Service, request_id_sent: str | bytes) -> None:
    """A malformed X-Request-ID is replaced by a new one, and the request is answered as usual."""
    response = await service.send(Request(headers=(("Content-Type", JSON), (REQUEST_ID, request_id_sent))))
    request_id = response.header(REQUEST_ID)
    assert request_id is not None
    assert len(request_id) == 32
    assert request_id.isalnum()
    assert response.json()["status"] == "no-params-decoded"


@pytest.mark.parametrize("path", [CREATE, "/nowhere"])
async def test_head(service: Service, path: str) -> None:
    """HEAD on a path without it is refused without a body."""
    response = await service.send(Request(method="HEAD", target=path))
    assert (response.http_code, response.body) == (RouteNonExistent.http_code, b"")


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in messages.MALFORMED_HTTP])
async def test_malformed_http(service: Service, sent: bytes) -> None:
    """Malformed HTTP gets a bare 400, and the service still serves."""
    async with asyncio.timeout(1), connected(service.port) as (reader, writer):
        writer.write(sent)
        response = await receive(reader)
    assert (response.http_code, response.body) == (400, b"400: Bad Request\n")
    assert response.header("Server") == "requirements-service"
    assert (await service.send(with_param(token='"x"'))).http_code == InvalidToken.http_code


async def test_pipelined(service: Service) -> None:
    """Pipelined requests are answered in order, each with its own status."""
    requests = [Request(b"{"), with_param(token='"x"'), Request(target="/nowhere"), Request(b"{}")]
    async with asyncio.timeout(1), connected(service.port) as (reader, writer):
        writer.write(b"".join(request.head + request.body for request in requests))
        statuses = [(await receive(reader)).json()["status"] for _ in requests]
    assert statuses == ["invalid-encoded-params", "invalid-token", "route-non-existent", "no-params-decoded"]


@pytest.mark.parametrize(
    ("target", "expected"), [(CREATE, (200, "action-successful")), ("/nowhere", (500, "route-non-existent"))]
)
async def test_expect_continue(service: Service, target: str, expected: tuple[int, str]) -> None:
    """A caller that sends Expect: 100-continue gets 100, and then the response."""
    request = replace(with_header("Expect", "100-continue"), target=target)
    async with asyncio.timeout(1), connected(service.port) as (reader, writer):
        writer.write(request.head)
        interim = await receive(reader)
        writer.write(request.body)
        response = await receive(reader)
    assert (interim.http_code, response.http_code, response.json()["status"]) == (100, *expected)


async def test_a_body_over_the_limit_is_not_invited(service: Service) -> None:
    """A caller that sends Expect: 100-continue with a Content-Length over the limit gets the refusal at once."""
    head = (
        f"POST {CREATE} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        f"Expect: 100-continue\r\nContent-Length: {1 << 30}\r\n\r\n"
    )
    async with asyncio.timeout(5), connected(service.port) as (reader, writer):
        writer.write(head.encode())
        response = await receive(reader)
    assert (response.http_code, response.json()["status"]) == (400, "invalid-param")


def test_log_lines(service: Service) -> None:
    """No request broke a log line or was logged as a fault of the service, and no log line contains the token."""
    assert [line for line in service.serve.output if not line.startswith("{")] == []
    assert service.serve.events
    assert [line for line in service.serve.events if line["event"] == "request-failed"] == []
    assert not any(TOKEN in line for line in service.serve.output)
