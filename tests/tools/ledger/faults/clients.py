"""Faults of clients: they disconnect, repeat requests, send too many, or stay idle."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.factories import CREATE
from tests.tools.ledger.faults.fault import fault, repeating
from tests.tools.ledger.http_client import NotSentError
from tests.tools.ledger.outcomes import BODY_INCOMPLETE, CLIENT_LEFT, AttemptResult
from tests.tools.ledger.requests import Request
from tests.tools.ledger.subjects import Subject
from tests.tools.ledger.system import SystemUnderTest

CONCURRENT = 16
OVERLOAD_CLIENTS = 1_900


async def _leave(system: SystemUnderTest, request: Request, part: bytes, seconds: float, result: AttemptResult) -> None:
    """Send all or part of a request, and disconnect after `seconds`."""
    client = system.load.http_client()
    attempt = system.load.begin(request)
    with contextlib.suppress(NotSentError, OSError):
        _, writer = await client.connect()
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(seconds)
    client.close()
    system.load.end(request, attempt, result)


@fault(1, unknowns_per_second=0)
async def leave_before_the_body_ends(system: SystemUnderTest) -> AsyncIterator[None]:
    """Clients disconnect in the middle of a request body."""

    async def leave() -> None:
        requests = [system.load.requests.write(keyed=False) for _ in range(CONCURRENT)]
        parts = [request.head + request.body[: len(request.body) // 2] for request in requests]
        await asyncio.gather(
            *(
                _leave(system, request, part, 0.01, BODY_INCOMPLETE)
                for request, part in zip(requests, parts, strict=True)
            )
        )

    async with repeating(leave, 0.05):
        yield


@fault(2, unknowns_per_second=1_000)
async def leave_before_the_answer(system: SystemUnderTest) -> AsyncIterator[None]:
    """Clients disconnect after sending a request, at once or up to 20 ms later; keyed requests are retried."""

    async def leave_and_return(request: Request) -> None:
        await _leave(system, request, request.message, system.random.choice((0, 0.001, 0.005, 0.02)), CLIENT_LEFT)
        if request.idempotency_key:
            await system.load.attempt(request, system.load.http_client())

    async def leave() -> None:
        requests = [system.load.requests.write(keyed=number % 2 == 0) for number in range(CONCURRENT)]
        await asyncio.gather(*map(leave_and_return, requests))

    async with repeating(leave, 0.05):
        yield


@fault(1, unknowns_per_second=0)
async def retry_64_at_once(system: SystemUnderTest) -> AsyncIterator[None]:
    """Send one keyed request 64 times concurrently, repeatedly."""

    async def retry() -> None:
        request = system.load.requests.write(keyed=True)
        await asyncio.gather(*(system.load.attempt(request, system.load.http_client()) for _ in range(64)))

    async with repeating(retry, 0.05):
        yield


@fault(1, unknowns_per_second=0)
async def race_for_one_version(system: SystemUnderTest) -> AsyncIterator[None]:
    """Change one version of a requirement by 32 different calls at once, repeatedly: exactly one succeeds."""
    requests = system.load.requests

    async def race() -> None:
        created = requests.make(keyed=True)
        answer = await system.load.attempt(created, system.load.http_client())
        assert answer.data is not None, answer
        subject = Subject(answer.data["id"], created.caller, answer.data)
        changes = [requests.update(subject, if_current=True) for _ in range(31)]
        changes.append(requests.destroy(subject, if_current=True))
        results = await asyncio.gather(*(system.load.attempt(one, system.load.http_client()) for one in changes))
        done = [result for result in results if result.outcome == "ok" and result.outcome_header != "none"]
        assert len(done) == 1, f"{len(done)} of 32 changes of one version succeeded"

    async with repeating(race, 0.05):
        yield


@fault(4, long=30)
async def overload(system: SystemUnderTest) -> AsyncIterator[None]:
    """Thirty times as many clients: more than may wait for the database, so some requests are refused at once."""
    async with system.load.clients(OVERLOAD_CLIENTS):
        yield


@fault(2, long=20, unknowns_per_second=0)
async def idle_connections(system: SystemUnderTest) -> AsyncIterator[None]:
    """Open a thousand idle connections, and send bodies one byte at a time."""
    clients = [system.load.http_client() for _ in range(5_000 if system.thorough else 1_000)]
    try:
        for client in clients:
            await client.connect()
        async with _dripping(system):
            yield
    finally:
        for client in clients:
            client.close()


@contextlib.asynccontextmanager
async def _dripping(system: SystemUnderTest) -> AsyncIterator[None]:
    head = f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    clients = [system.load.http_client() for _ in range(50)]
    writers = [(await client.connect())[1] for client in clients]
    for writer in writers:
        writer.write(head.encode())

    async def drip() -> None:
        for writer in writers:
            if not writer.is_closing():  # the service may have timed the request out
                writer.write(b" ")

    try:
        async with repeating(drip, 0.2):
            yield
    finally:
        for client in clients:
            client.close()
