"""`python -m tests.tools.benchmark.locked_table`: how calls for a locked table or row affect calls for others.

Callers create requirements that name users. Three calls a second name an order, then two hundred: first nothing is
locked, then the table of orders is, then a row of it. The program prints the p99 latency and the refusals of the calls
that name users, and exits with 1 if one was refused or if a p99 is more than `TARGET` times that of the calm time. It
takes about half a minute.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import click

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.server import run_embedded
from tests.factories import CREATE, Records, params
from tests.serving.process import serving
from tests.tools.benchmark.figures import percentile

CALLERS = 16
CALM_SECONDS = 5.0
LOCKED_SECONDS = 8.0
TARGET = 5.0

Body = dict[str, object]


@dataclass(frozen=True, slots=True)
class Case:
    """A lock, and how many calls a second need it. An empty lock is none."""

    name: str
    lock: str
    per_second: int
    seconds: float


CASES = (
    Case("calm", "", 3, CALM_SECONDS),
    Case("table locked", "LOCK TABLE orders", 3, LOCKED_SECONDS),
    Case("calm, many", "", 200, CALM_SECONDS),
    Case("row locked", "SELECT FROM orders FOR UPDATE", 200, LOCKED_SECONDS),
)


@dataclass(frozen=True, slots=True)
class Result:
    """The number of calls that name users, how many of them were not successful, and their p99 latency."""

    calls: int
    failed: int
    p99_milliseconds: float


async def call(http: aiohttp.ClientSession, body: Body) -> bool:
    """Send a create; return whether it succeeded."""
    async with http.post(CREATE, json=body) as response:
        await response.read()
        return response.status == 200


async def measure(http: aiohttp.ClientSession, body: Body, seconds: float) -> Result:
    """Call for `seconds` with `CALLERS` callers, each one call after another."""
    until, latencies, failed = time.monotonic() + seconds, [], 0

    async def caller() -> None:
        nonlocal failed
        while (began := time.monotonic()) < until:
            failed += not await call(http, body)
            latencies.append(time.monotonic() - began)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return Result(len(latencies), failed, percentile(sorted(latencies), 99) * 1000)


@contextlib.asynccontextmanager
async def calling(http: aiohttp.ClientSession, body: Body, per_second: int) -> AsyncIterator[None]:
    """Send calls at a constant rate until the context ends, whether or not they are answered. Await them at the end."""
    sent: list[asyncio.Task[bool]] = []

    async def send() -> None:
        began = time.monotonic()
        while True:
            due = (time.monotonic() - began) * per_second
            sent.extend(asyncio.create_task(call(http, body)) for _ in range(round(due) - len(sent)))
            await asyncio.sleep(0.02)

    sending = asyncio.create_task(send())
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.gather(*sent)


@contextlib.asynccontextmanager
async def locked(connection: asyncpg.Connection, lock: str) -> AsyncIterator[None]:
    """Hold the lock until the context ends."""
    async with connection.transaction():
        if lock:
            await connection.execute(lock)
        yield


async def compare(folder: Path) -> bool:
    """Run all cases and print the results. Return whether the target is met."""
    async with run_embedded(folder / "data") as server:
        connection = await asyncpg.connect(server.url)
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        await connection.execute("CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders VALUES (1)")
        records = Records(connection)
        await records.deploy()
        body = params((await records.application()).token, (await records.user())[0])
        settings = {
            "DATABASE_URL": server.url,
            "WEB_CONCURRENCY": "1",
            "REQUIREMENTS__ASSOCIATIONS__Order": "orders",
        }
        async with serving(folder, environ=settings) as serve:
            results = await _measure_all(serve.url, connection, body)
        await connection.close()
    calm, slow = ([result.p99_milliseconds for result in results[start::2]] for start in (0, 1))
    ratios = [one / other for one, other in zip(slow, calm, strict=True)]
    click.echo(f"p99 ratios {', '.join(f'{ratio:.1f}' for ratio in ratios)}, target at most {TARGET:g}; none may fail")
    return max(ratios) <= TARGET and not any(result.failed for result in results)


async def _measure_all(url: str, connection: asyncpg.Connection, body: Body) -> list[Result]:
    blocked = {**body, "required": {"type": "Order", "id": 1}}
    results = []
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as http:
        await measure(http, body, 1)
        for case in CASES:
            async with calling(http, blocked, case.per_second), locked(connection, case.lock):
                result = await measure(http, body, case.seconds)
            results.append(result)
            click.echo(
                f"{case.name + ':':14} {result.calls / case.seconds:6.0f} calls a second, {result.failed} failed, "
                f"p99 {result.p99_milliseconds:.1f} ms"
            )
    return results


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(not asyncio.run(compare(Path(temporary))))
