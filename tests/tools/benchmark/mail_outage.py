"""`python -m tests.tools.benchmark.mail_outage`: how a hanging Mandrill affects requests that send no e-mail.

Half of the callers create requirements, each with an e-mail; the other half repeat a keyed request, which writes to the
database and sends nothing. Rounds with a Mandrill that accepts and with one that hangs alternate. The program prints
the ratio of the p99 latencies and its target, and exits with 0 unless it crashes.
"""

import asyncio
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp
import asyncpg
import click

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.server import run_embedded
from tests.factories import CREATE, Records, params
from tests.mail import mandrill_server as fake
from tests.mail.conftest import API_KEY, RECIPIENTS, SENDER
from tests.serving.process import serving
from tests.tools.benchmark.figures import percentile

CALLERS = 8
ROUNDS = 4
ROUND_SECONDS = 6.0
RECOVERY_SECONDS = 120.0
TARGET = 1.5


async def call(http: aiohttp.ClientSession, body: dict[str, object], key: str | None, until: float) -> list[float]:
    """Send the same request repeatedly until `until`; return the latencies in milliseconds."""
    latencies = []
    while time.monotonic() < until:
        began = time.monotonic()
        async with http.post(CREATE, json=body, headers={"Idempotency-Key": key} if key else {}) as response:
            await response.read()
        latencies.append((time.monotonic() - began) * 1000)
    return latencies


async def measure(http: aiohttp.ClientSession, body: dict[str, object]) -> float:
    """Return the p99 latency in milliseconds of requests without e-mail, while as many others send e-mails."""
    until = time.monotonic() + ROUND_SECONDS
    creating = [asyncio.create_task(call(http, body, None, until)) for _ in range(CALLERS)]
    repeated = await asyncio.gather(*[call(http, body, f"caller-{number}", until) for number in range(CALLERS)])
    await asyncio.gather(*creating)
    return percentile(sorted(latencies for one in repeated for latencies in one), 99)


async def compare(folder: Path) -> None:
    """Run all rounds and print the results."""
    async with run_embedded(folder / "data") as server, fake.running() as mandrill:
        connection = await asyncpg.connect(server.url)
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        records = Records(connection)
        await records.deploy()
        body = params((await records.application()).token, (await records.user())[0])
        settings = {
            "DATABASE_URL": server.url,
            "REQUIREMENTS__MANDRILL__API_KEY": API_KEY,
            "REQUIREMENTS__MANDRILL__RECIPIENTS": ",".join(RECIPIENTS),
            "REQUIREMENTS__MANDRILL__SENDER": SENDER,
            "REQUIREMENTS__MANDRILL__BASE_URL": mandrill.url,
            "REQUIREMENTS__MANDRILL__TIMEOUT_SECONDS": "2",
        }
        async with serving(folder, environ=settings) as serve, aiohttp.ClientSession(serve.url) as http:
            await _run_rounds(http, mandrill, body)
            await _recover(connection, mandrill)
        await connection.close()


async def _run_rounds(http: aiohttp.ClientSession, mandrill: fake.MandrillServer, body: dict[str, object]) -> None:
    p99: dict[str, list[float]] = {"accepts": [], "hangs": []}
    await measure(http, body)
    for number in range(ROUNDS):
        for name, behaviour in (("accepts", fake.answering("sent")), ("hangs", fake.hang)):
            mandrill.behaviour = behaviour
            p99[name].append(await measure(http, body))
            click.echo(f"round {number + 1} of {ROUNDS}, Mandrill {name}: p99 {p99[name][-1]:.1f} ms")
    accepts, hangs = (statistics.median(found) for found in p99.values())
    click.echo(f"p99 without e-mail: {hangs:.1f} ms while Mandrill hangs, {accepts:.1f} ms while it accepts")
    click.echo(f"ratio {hangs / accepts:.2f}, target at most {TARGET}")


async def _recover(connection: asyncpg.Connection, mandrill: fake.MandrillServer) -> None:
    mandrill.behaviour = fake.answering("sent")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RECOVERY_SECONDS):
            while await connection.fetchval("SELECT count(*) FROM emails WHERE state <> 'sent'"):
                await asyncio.sleep(0.5)
    rows = await connection.fetch("SELECT state, count(*) AS count FROM emails GROUP BY state ORDER BY state")
    click.echo("e-mails after recovery: " + ", ".join(f"{row['count']} {row['state']}" for row in rows))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder)))
