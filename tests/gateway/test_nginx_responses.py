"""nginx's own responses have the service's statuses, codes, messages and headers."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from service.config import load_config
from service.domain.statuses import ApplicationCrash, InvalidParam, RouteNonExistent, Status
from tests.api.exchange import refusal
from tests.factories import CREATE
from tests.gateway.nginx import SHIPPED, Gateway, gateway
from tests.gateway.requests import HttpRequest, HttpResponse, as_json, send
from tests.serving.process import Serve

POST = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
CRASH = refusal(ApplicationCrash)
TOO_LONG = b"x" * (load_config(None, {}).server.max_body_bytes + 1)
MALFORMED = refusal(InvalidParam, ("request", "must be well-formed HTTP, with short lines and headers"))


def code_and_body(response: HttpResponse, request_id: str = r"[0-9a-f]{32}") -> tuple[int, dict[str, object]]:
    """The code and the body without its request_id, after checking what all envelopes have."""
    body = response.body
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert (response.headers["Cache-Control"], response.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert response.headers["Server"] == "nginx"
    assert response.headers["X-Request-Id"] == body["request_id"]
    assert re.fullmatch(request_id, body.pop("request_id"))
    return response.code, body


def outcome_and_retry(response: HttpResponse) -> tuple[str | None, str | None]:
    """The Requirement-Outcome and Retry-After headers."""
    return response.headers.get("Requirement-Outcome"), response.headers.get("Retry-After")


async def raw(port: int | None, request: bytes) -> HttpResponse:
    """Send these bytes, which need not be HTTP; return the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(10):
        pending, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.title(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["Content-Length"]))
    writer.close()
    return HttpResponse(int(pending.split()[1]), headers, body)


@pytest.mark.parametrize("status", [InvalidParam, ApplicationCrash, RouteNonExistent])
def test_messages_are_the_services(status: type[Status]) -> None:
    """Each status in nginx's configuration has the service's message."""
    text = (SHIPPED / "requirements_errors.conf").read_text()
    sentences = set(re.findall(rf'"status":"{status.name}","message":"([^"]+)"', text))
    assert sentences == {status.message()}


async def test_body_too_long(serve: Serve, nginx: Gateway) -> None:
    """A body over the limit gets the service's response, at once if its length is announced."""
    announced = POST + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(TOO_LONG)
    chunk = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s" % (len(TOO_LONG), TOO_LONG)
    direct = await raw(urlsplit(serve.url).port, announced)
    expected = direct.code, {name: value for name, value in direct.body.items() if name != "request_id"}
    for request in (announced, POST + chunk):
        through_nginx = await raw(nginx.port, request)
        assert code_and_body(through_nginx) == expected
        assert outcome_and_retry(through_nginx) == ("none", None)


async def test_body_of_the_maximum_size(nginx: Gateway) -> None:
    """A body of exactly the limit is passed to the service."""
    head = POST + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(TOO_LONG[1:])
    assert (await raw(nginx.port, head + TOO_LONG[1:])).body["status"] == "invalid-encoded-params"


LONG = b"x" * 9000


@pytest.mark.parametrize(
    ("request_", "outcome"),
    [
        (POST + b"X-Long: " + LONG + b"\r\n\r\n", "none"),
        (POST + b"".join(b"X-%d: %s\r\n" % (n, LONG[:3000]) for n in range(20)) + b"\r\n", "none"),
        (f"POST {CREATE}?".encode() + LONG + b" HTTP/1.1\r\nHost: x\r\n\r\n", "none"),
        (b"GET /" + LONG + b" HTTP/1.1\r\nHost: x\r\n\r\n", None),
        (b"GET /%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", None),
        (b"nonsense\r\n\r\n", None),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\n\r\n", None),
        (POST + b"Content-Length: x\r\n\r\n", "none"),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", "none"),
    ],
)
async def test_malformed_requests(nginx: Gateway, request_: bytes, outcome: str | None) -> None:
    """Lines and headers that are too long, and malformed HTTP, are invalid-param with the outcome none."""
    response = await raw(nginx.port, request_)
    assert code_and_body(response) == MALFORMED
    assert outcome_and_retry(response) == (outcome, None)


PATHS = [
    "//",
    "/metrics",
    "/console",
    "/api",
    "/requirements/not-understood",
    "//ping",
    "/readyness",
    "/api/../metrics",
]


@pytest.mark.parametrize("path", PATHS)
async def test_no_route(nginx: Gateway, path: str) -> None:
    """Paths that are not public are route-non-existent and do not reach the service."""
    for body in (b"", b"Content-Length: %d\r\n" % len(TOO_LONG)):
        response = await raw(
            nginx.port, b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n" % (path.encode(), body)
        )
        assert code_and_body(response) == refusal(RouteNonExistent)
        assert outcome_and_retry(response) == (None, None)
    # nginx writes the log after the response.
    assert "upstream=- " in nginx.accesses[-1]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_refused_methods(nginx: Gateway, method: str) -> None:
    """Methods that nginx refuses itself are route-non-existent."""
    response = await raw(nginx.port, f"{method} {CREATE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert code_and_body(response) == refusal(RouteNonExistent)


@pytest.fixture(params=["refused", "hanging", "closing"])
async def unavailable(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Gateway]:
    """An nginx in front of a service that refuses connections, hangs, or closes them."""

    async def close_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1 if request.param == "hanging" else 1)
        writer.close()

    server = await asyncio.start_server(close_connection, "127.0.0.1", 0)
    port = unused_port() if request.param == "refused" else server.sockets[0].getsockname()[1]
    async with server, gateway(tmp_path, f"http://127.0.0.1:{port}", {"read_timeout 15s": "read_timeout 1s"}) as nginx:
        yield nginx


async def test_an_unavailable_service_is_unknown(http: aiohttp.ClientSession, unavailable: Gateway) -> None:
    """Without a service a create is application-crash with the outcome unknown, and Retry-After only with a key."""
    response = await send(http, unavailable.url, as_json({}))
    assert (code_and_body(response), outcome_and_retry(response)) == (CRASH, ("unknown", None))
    response = await send(http, unavailable.url, as_json({}, **{"Idempotency-Key": "k", "X-Request-ID": "mine"}))
    assert (code_and_body(response, "mine"), outcome_and_retry(response)) == (CRASH, ("unknown", "1"))
    response = await send(http, unavailable.url, HttpRequest(method="GET", path="/docs"))
    assert (code_and_body(response), outcome_and_retry(response)) == (CRASH, (None, None))


async def test_query_strings(tmp_path: Path) -> None:
    """A create with a query string or an escaped path has an outcome, and no query string is logged."""
    async with gateway(tmp_path, f"http://127.0.0.1:{unused_port()}") as nginx:
        for path in (f"{CREATE}?token=secret", CREATE.replace("create", "%63reate")):
            raw_path = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % path.encode()
            assert outcome_and_retry(await raw(nginx.port, raw_path)) == ("unknown", None)
        assert not any("secret" in line for line in nginx.accesses)


ONE_A_SECOND = {"{zone}:10m rate=500r/s;": "{zone}:10m rate=1r/s;", "zone={zone} burst=1000 nodelay": "zone={zone}"}


def one_a_second(zone: str) -> Mapping[str, str]:
    """Configuration changes that limit `zone` to one request a second."""
    return {old.format(zone=zone): new.format(zone=zone) for old, new in ONE_A_SECOND.items()}


async def test_too_many_from_an_address(http: aiohttp.ClientSession, serve: Serve, tmp_path: Path) -> None:
    """Over the rate limit of an address: application-crash with the outcome none and Retry-After."""
    async with gateway(tmp_path, serve.url, one_a_second("requirements_by_address")) as nginx:
        responses = [await send(http, nginx.url, as_json({})) for _ in range(3)]
        assert responses[0].body["status"] == "no-params-decoded"
        assert [(code_and_body(response), outcome_and_retry(response)) for response in responses[1:]] == [
            (CRASH, ("none", "1"))
        ] * 2


async def test_too_many_with_an_authorization(http: aiohttp.ClientSession, serve: Serve, tmp_path: Path) -> None:
    """The rate limit of one Authorization header does not affect other callers, or those without one."""
    async with gateway(tmp_path, serve.url, one_a_second("requirements_by_authorization")) as nginx:
        senders = ["Bearer a", "Bearer a", "Bearer b", None, None]
        sent = [as_json({}, **({"Authorization": sender} if sender else {})) for sender in senders]
        responses = [await send(http, nginx.url, each) for each in sent]
        statuses = [response.body["status"] for response in responses]
        assert statuses == ["no-params-decoded", "application-crash", *["no-params-decoded"] * 3]
        assert outcome_and_retry(responses[1]) == ("none", "1")


async def test_too_many_at_once(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Over the limit of concurrent requests of an address: application-crash, outcome none, Retry-After."""
    changes = {"limit_conn requirements_under_way 512;": "limit_conn requirements_under_way 1;"}
    arrived = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, gateway(tmp_path, url, changes) as nginx:
        pending = asyncio.create_task(send(http, nginx.url, as_json({})))
        await arrived.wait()
        response = await send(http, nginx.url, as_json({}))
        assert (code_and_body(response), outcome_and_retry(response)) == (CRASH, ("none", "1"))
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)


@pytest.mark.parametrize("request_id", ["a b", "x" * 129, "\u00e9", '"', "a;b"])
async def test_ill_formed_ids(http: aiohttp.ClientSession, nginx: Gateway, request_id: str) -> None:
    """A malformed X-Request-ID is replaced in responses of the service and of nginx."""
    for path in (CREATE, "/nowhere"):
        response = await send(http, nginx.url, HttpRequest(headers={"X-Request-ID": request_id}, path=path))
        assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-Id"])
        assert response.body["request_id"] == response.headers["X-Request-Id"]


@pytest.mark.parametrize("request_id", ["a", "x" * 128, "A.b_c-9"])
async def test_well_formed_ids(http: aiohttp.ClientSession, nginx: Gateway, request_id: str) -> None:
    """A well-formed X-Request-ID is returned, and is in nginx's log."""
    for path in (CREATE, "/nowhere"):
        response = await send(http, nginx.url, HttpRequest(headers={"X-Request-ID": request_id}, path=path))
        assert json.loads(response.raw)["request_id"] == response.headers["X-Request-Id"] == request_id
    assert any(f" {request_id} " in line for line in nginx.accesses)


WRITING = ["create", "update", "destroy", "create_many", "destroy_many", "sync"]


async def test_every_writing_action_has_an_outcome(tmp_path: Path) -> None:
    """Responses of nginx itself have a Requirement-Outcome for actions that write, and for no others."""
    async with gateway(tmp_path, f"http://127.0.0.1:{unused_port()}") as nginx:
        for method in ("POST", "PUT", "DELETE"):
            for action, outcome in [*((name, "unknown") for name in WRITING), ("read", None), ("created", None)]:
                line = f"{method} /api/v1/requirements/{action} HTTP/1.1\r\n"
                request = f"{line}Host: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
                assert outcome_and_retry(await raw(nginx.port, request)) == (outcome, None), (method, action)
                refused_early = f"{line}Host: x\r\nX-Long: {'x' * 9000}\r\nConnection: close\r\n\r\n".encode()
                assert outcome_and_retry(await raw(nginx.port, refused_early)) == (outcome and "none", None), (
                    method,
                    action,
                )
