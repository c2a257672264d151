"""What nginx answers in the service's place: the service's statuses, codes, sentences and headers."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from service.config import load_config
from service.domain.statuses import ApplicationCrash, InvalidParam, RouteNonExistent, Status
from tests.api.exchange import refusal
from tests.factories import CREATE
from tests.gateway.comparing import Got, Sent, as_json, send
from tests.gateway.nginx import SHIPPED, Gateway, free_port, gateway
from tests.serving.process import Serve

POST = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
CRASH = refusal(ApplicationCrash)
TOO_LONG = b"x" * (load_config(None, {}).server.max_body_bytes + 1)
NOT_UNDERSTOOD = refusal(InvalidParam, ("request", "must be well-formed HTTP, with short lines and headers"))


def told(got: Got, request_id: str = r"[0-9a-f]{32}") -> tuple[int, dict[str, object]]:
    """The code and the body without its request_id; with every promise checked that all envelopes keep."""
    body = got.body
    assert got.headers["Content-Type"] == "application/json; charset=utf-8"
    assert (got.headers["Cache-Control"], got.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert got.headers["Server"] == "nginx"
    assert got.headers["X-Request-Id"] == body["request_id"]
    assert re.fullmatch(request_id, body.pop("request_id"))
    return got.code, body


def hints(got: Got) -> tuple[str | None, str | None]:
    """What it says of the outcome and of a retry."""
    return got.headers.get("Requirement-Outcome"), got.headers.get("Retry-After")


async def raw(port: int | None, request: bytes) -> Got:
    """The answer to these bytes, which need not be HTTP."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(10):
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.title(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["Content-Length"]))
    writer.close()
    return Got(int(first.split()[1]), headers, body)


@pytest.mark.parametrize("status", [InvalidParam, ApplicationCrash, RouteNonExistent])
def test_sentences_are_the_services(status: type[Status]) -> None:
    """Each of the service's statuses that nginx tells has the service's sentence, wherever it stands."""
    text = (SHIPPED / "requirements_errors.conf").read_text()
    sentences = set(re.findall(rf'"status":"{status.name}","message":"([^"]+)"', text))
    assert sentences == {status.message()}


async def test_body_too_long(serve: Serve, nginx: Gateway) -> None:
    """A body over the limit is what the service says of it; from its length alone, where that is known."""
    announced = POST + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(TOO_LONG)
    chunk = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s" % (len(TOO_LONG), TOO_LONG)
    itself = await raw(urlsplit(serve.url).port, announced)
    wanted = itself.code, {name: value for name, value in itself.body.items() if name != "request_id"}
    for request in (announced, POST + chunk):
        passed = await raw(nginx.port, request)
        assert told(passed) == wanted
        assert hints(passed) == ("none", None)


async def test_body_of_the_longest(nginx: Gateway) -> None:
    """A body of exactly the limit is the service's to judge."""
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
async def test_not_understood(nginx: Gateway, request_: bytes, outcome: str | None) -> None:
    """Lines and headers that are too long, and what is no HTTP, are an invalid request; nothing was written."""
    got = await raw(nginx.port, request_)
    assert told(got) == NOT_UNDERSTOOD
    assert hints(got) == (outcome, None)


PATHS = ["/", "/metrics", "/console", "/api", "/requirements/not-understood", "//ping", "/readyness", "/api/../metrics"]


@pytest.mark.parametrize("path", PATHS)
async def test_no_route(nginx: Gateway, path: str) -> None:
    """Whatever is not public does not reach the service: nginx says that there is no such route."""
    for body in (b"", b"Content-Length: %d\r\n" % len(TOO_LONG)):
        got = await raw(
            nginx.port, b"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n" % (path.encode(), body)
        )
        assert told(got) == refusal(RouteNonExistent)
        assert hints(got) == (None, None)
    # The log is written once the answer is out.
    assert "upstream=- " in nginx.accesses[-1]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_no_method(nginx: Gateway, method: str) -> None:
    """So it says of methods that it refuses by itself."""
    got = await raw(nginx.port, f"{method} {CREATE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert told(got) == refusal(RouteNonExistent)


@pytest.fixture(params=["nobody listens", "nobody answers", "nobody stays"])
async def away(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Gateway]:
    """An nginx before a service that is not there, hangs, or hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1 if request.param == "nobody answers" else 1)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = free_port() if request.param == "nobody listens" else server.sockets[0].getsockname()[1]
    async with server, gateway(tmp_path, f"http://127.0.0.1:{port}", {"read_timeout 15s": "read_timeout 1s"}) as nginx:
        yield nginx


async def test_nobody_knows(http: aiohttp.ClientSession, away: Gateway) -> None:
    """A service that cannot be had is a crash whose outcome nobody knows; a key makes it safe to retry."""
    got = await send(http, away.url, as_json({}))
    assert (told(got), hints(got)) == (CRASH, ("unknown", None))
    got = await send(http, away.url, as_json({}, **{"Idempotency-Key": "k", "X-Request-ID": "mine"}))
    assert (told(got, "mine"), hints(got)) == (CRASH, ("unknown", "1"))
    got = await send(http, away.url, Sent(method="GET", path="/docs"))
    assert (told(got), hints(got)) == (CRASH, (None, None))


async def test_the_query_string_changes_nothing(tmp_path: Path) -> None:
    """A create stays one whatever follows its path or stands for its letters; no query string is logged."""
    async with gateway(tmp_path, f"http://127.0.0.1:{free_port()}") as nginx:
        for path in (f"{CREATE}?token=secret", CREATE.replace("create", "%63reate")):
            raw_path = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % path.encode()
            assert hints(await raw(nginx.port, raw_path)) == ("unknown", None)
        assert not any("secret" in line for line in nginx.accesses)


ONE_A_SECOND = {"{zone}:10m rate=500r/s;": "{zone}:10m rate=1r/s;", "zone={zone} burst=1000 nodelay": "zone={zone}"}


def slowed(zone: str) -> Mapping[str, str]:
    """Changes by which `zone` admits one request a second."""
    return {old.format(zone=zone): new.format(zone=zone) for old, new in ONE_A_SECOND.items()}


async def test_too_many_from_an_address(http: aiohttp.ClientSession, serve: Serve, tmp_path: Path) -> None:
    """Over the rate of an address: a crash of which nothing is left, and when to retry."""
    async with gateway(tmp_path, serve.url, slowed("requirements_by_address")) as nginx:
        answers = [await send(http, nginx.url, as_json({})) for _ in range(3)]
        assert answers[0].body["status"] == "no-params-decoded"
        assert [(told(got), hints(got)) for got in answers[1:]] == [(CRASH, ("none", "1"))] * 2


async def test_too_many_with_an_authorization(http: aiohttp.ClientSession, serve: Serve, tmp_path: Path) -> None:
    """Over the rate of one Authorization: others, and those who send none, are not touched."""
    async with gateway(tmp_path, serve.url, slowed("requirements_by_authorization")) as nginx:
        senders = ["Bearer a", "Bearer a", "Bearer b", None, None]
        sent = [as_json({}, **({"Authorization": sender} if sender else {})) for sender in senders]
        answers = [await send(http, nginx.url, each) for each in sent]
        statuses = [got.body["status"] for got in answers]
        assert statuses == ["no-params-decoded", "application-crash", *["no-params-decoded"] * 3]
        assert hints(answers[1]) == ("none", "1")


async def test_too_many_at_once(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Over the number of requests under way of an address: the same."""
    changes = {"limit_conn requirements_under_way 512;": "limit_conn requirements_under_way 1;"}
    arrived = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, gateway(tmp_path, url, changes) as nginx:
        first = asyncio.create_task(send(http, nginx.url, as_json({})))
        await arrived.wait()
        second = await send(http, nginx.url, as_json({}))
        assert (told(second), hints(second)) == (CRASH, ("none", "1"))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


@pytest.mark.parametrize("offered", ["a b", "x" * 129, "\u00e9", '"', "a;b"])
async def test_ill_formed_ids(http: aiohttp.ClientSession, nginx: Gateway, offered: str) -> None:
    """An X-Request-ID that is none is replaced, in answers of the service's and in nginx's own."""
    for path in (CREATE, "/nowhere"):
        got = await send(http, nginx.url, Sent(headers={"X-Request-ID": offered}, path=path))
        assert re.fullmatch(r"[0-9a-f]{32}", got.headers["X-Request-Id"])
        assert got.body["request_id"] == got.headers["X-Request-Id"]


@pytest.mark.parametrize("offered", ["a", "x" * 128, "A.b_c-9"])
async def test_well_formed_ids(http: aiohttp.ClientSession, nginx: Gateway, offered: str) -> None:
    """One that is well-formed is the answer's, also in nginx's log."""
    for path in (CREATE, "/nowhere"):
        got = await send(http, nginx.url, Sent(headers={"X-Request-ID": offered}, path=path))
        assert json.loads(got.raw)["request_id"] == got.headers["X-Request-Id"] == offered
    assert any(f" {offered} " in line for line in nginx.accesses)


WRITING = ["create", "update", "destroy", "create_many", "destroy_many", "sync"]


async def test_every_writing_action_has_an_outcome(tmp_path: Path) -> None:
    """Responses of nginx itself have a Requirement-Outcome for actions that write, and for no others."""
    async with gateway(tmp_path, f"http://127.0.0.1:{free_port()}") as nginx:
        for method in ("POST", "PUT", "DELETE"):
            for action, outcome in [*((name, "unknown") for name in WRITING), ("read", None), ("created", None)]:
                line = f"{method} /api/v1/requirements/{action} HTTP/1.1\r\n"
                request = f"{line}Host: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
                assert hints(await raw(nginx.port, request)) == (outcome, None), (method, action)
                refused_early = f"{line}Host: x\r\nX-Long: {'x' * 9000}\r\nConnection: close\r\n\r\n".encode()
                assert hints(await raw(nginx.port, refused_early)) == (outcome and "none", None), (method, action)
