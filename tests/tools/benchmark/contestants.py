"""The contestants: each takes a load and reports the outcome."""

import asyncio
import contextlib
import math
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Protocol

import asyncpg

from service.database.session import INDEX_PLANS_ONLY
from service.embedded_postgres.binaries import find_binaries
from tests.tools.benchmark.commands import command_of
from tests.tools.benchmark.database import SQL, Target
from tests.tools.benchmark.load_generator import LoadSpec, Outcome
from tests.tools.benchmark.payloads import RECORDS
from tests.tools.benchmark.plan import BARE, BATCHES, COPY, ECHO, GO, PGBENCH, Scenario, Size
from tests.tools.benchmark.processes import BenchmarkError, Generator, Program, program

# With more clients, pgbench needs more than a second to connect and prepare.
FAST_START_CLIENTS = 128
SLACK_SECONDS = 0.1

_TRANSACTIONS = re.compile(r"actually processed: (\d+)")
_DURATION = re.compile(r"^duration: (\d+) s", re.MULTILINE)
_PROGRESS = re.compile(r"^progress: ([\d.]+) s, ([\d.]+) tps", re.MULTILINE)

# Time-ordered UUIDs, like the service's; PostgreSQL 18 has uuidv7() for this.
_TIME_ORDERED_UUID = (
    "overlay(gen_random_uuid()::text PLACING to_hex(extract(epoch FROM now())::bigint) FROM 1 FOR 8)::uuid"
)


class Contestant(Protocol):
    """A program or statement that is compared."""

    @property
    def name(self) -> str:
        """Name in the report."""

    @property
    def target(self) -> Target | None:
        """The database it writes to."""

    @property
    def program(self) -> Program | None:
        """The processes whose CPU time is its cost."""

    @property
    def console(self) -> int | None:
        """Port of the service's own statistics, if it has any."""

    async def run(self, scenario: Scenario, seconds: float) -> Outcome:
        """Run the scenario's load for this long."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers creates over HTTP."""

    name: str
    target: Target | None
    program: Program | None
    port: int
    console: int | None
    generator: Generator

    async def run(self, scenario: Scenario, seconds: float) -> Outcome:
        """Send creates over the scenario's connections, or batches over the contestant's own."""
        size = self.target.size if self.target else scenario.sizes[0]
        connections, items = BATCHES.get(self.name, (scenario.connections, 1))
        population = _population(scenario, size)
        spec = LoadSpec(connections, seconds, scenario.callers, population, port=self.port, items=items)
        return _in_rows(await self.generator.run(spec), items)


@dataclass(frozen=True, slots=True)
class BareStatement:
    """The statement of a create over the service's pool, run inside the load generator."""

    target: Target
    generator: Generator
    name: str = BARE
    program: None = None
    console: None = None

    async def run(self, scenario: Scenario, seconds: float) -> Outcome:
        """Create requirements for this long."""
        population = _population(scenario, self.target.size)
        return await self.generator.run(LoadSpec(1, seconds, scenario.callers, population, url=self.target.url))


@dataclass(frozen=True, slots=True)
class Copies:
    """COPY into the same table with the same checks, run inside the load generator."""

    target: Target
    generator: Generator
    name: str = COPY
    program: None = None
    console: None = None

    async def run(self, scenario: Scenario, seconds: float) -> Outcome:
        """Copy requirements for this long."""
        connections, items = BATCHES[COPY]
        spec = LoadSpec(connections, seconds, scenario.callers, RECORDS, url=self.target.url, items=items)
        return _in_rows(await self.generator.run(spec), items)


@dataclass(frozen=True, slots=True)
class PgBench:
    """The same validated insert as one prepared statement, without HTTP, JSON, token look-up, or log."""

    target: Target
    script: Path
    name: str = PGBENCH
    program: None = None
    console: None = None

    async def run(self, scenario: Scenario, seconds: float) -> Outcome:
        """Insert over as many connections, or as many as the server has left. Seconds are rounded up."""
        clients = min(scenario.connections, await self.target.most_clients())
        # Its connections are new in each run; connecting and preparing must not count.
        warm_up = 1 if clients <= FAST_START_CLIENTS else 2
        used = getrusage(RUSAGE_CHILDREN)
        output = await self._output(clients, warm_up + math.ceil(seconds))
        after = getrusage(RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        answers, rate = after_warm_up(output, warm_up, clients)
        return Outcome(clients, rate, answers, clients / rate, None, {}, cpu)

    async def _output(self, clients: int, seconds: int) -> str:
        options = f"-n -M prepared -c {clients} -j {min(2, clients)} -P 1 -T {seconds} -f".split()
        settings = " ".join(f"-c {name}={value}" for name, value in {**INDEX_PLANS_ONLY, "jit": "off"}.items())
        process = await asyncio.create_subprocess_exec(
            str(find_binaries() / "pgbench"),
            *options,
            str(self.script),
            self.target.url,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PGOPTIONS": settings},
            start_new_session=True,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise BenchmarkError(f"pgbench failed:\n{output.decode()}")
        return output.decode()


def _in_rows(outcome: Outcome, items: int) -> Outcome:
    """The outcome, with rows instead of calls. The latencies are still those of calls."""
    return replace(outcome, rate=outcome.rate * items, answers=outcome.answers * items)


def _population(scenario: Scenario, size: Size) -> int:
    return size.sessions if scenario.callers == "session" else RECORDS


def after_warm_up(output: str, warm_up: float, clients: int) -> tuple[int, float]:
    """Return pgbench's number of transactions, and its rate after `warm_up` seconds.

    Raises `BenchmarkError` if the output lacks them.
    """
    processed, duration = _TRANSACTIONS.search(output), _DURATION.search(output)
    began, before = 0.0, 0.0
    for line in _PROGRESS.finditer(output):
        at, rate = map(float, line.groups())
        if began < warm_up - SLACK_SECONDS:
            before += rate * (at - began)
            began = at
    if processed is None or duration is None or not began:
        raise BenchmarkError(f"unexpected output of pgbench:\n{output}")
    if began > int(duration[1]) - SLACK_SECONDS:
        # On a very busy machine, progress is reported only at the end.
        began, before = 0.0, 0.0
    # Each client finishes its current transaction after the time limit.
    within = int(processed[1]) - clients - before
    if within <= 0:
        # On a very busy machine, hardly any client starts a second transaction.
        return int(processed[1]), int(processed[1]) / int(duration[1])
    return int(processed[1]), within / (int(duration[1]) - began)


@dataclass(frozen=True, slots=True)
class Resources:
    """What contestants need: the number of workers, the load generator, and the Go peer's program if there is one."""

    workers: int
    generator: Generator
    folder: Path
    go: Path | None


@contextlib.asynccontextmanager
async def contestants(
    names: Mapping[str, list[Target]], resources: Resources
) -> AsyncIterator[dict[tuple[str, Size], Contestant]]:
    """Run all contestants that are available, each on its databases, until the context ends."""
    found: dict[tuple[str, Size], Contestant] = {}
    async with contextlib.AsyncExitStack() as stack:
        for name, targets in names.items():
            for target in targets if name != GO or resources.go else ():
                found[name, target.size] = await _contestant(stack, name, target, resources)
        yield found


async def _contestant(stack: contextlib.AsyncExitStack, name: str, target: Target, resources: Resources) -> Contestant:
    if name == PGBENCH:
        return PgBench(target, await _script(target, resources.folder))
    if name == BARE:
        return BareStatement(target, resources.generator)
    if name == COPY:
        return Copies(target, resources.generator)
    command = command_of(name, target.url, resources.workers, resources.go)
    running = await stack.enter_async_context(
        program(command.arguments, command.environment, command.ready, command.processes)
    )
    return Server(name, target if name != ECHO else None, running, command.port, command.console, resources.generator)


async def _script(target: Target, folder: Path) -> Path:
    path = folder / f"pgbench-{target.size.name}.sql"
    path.write_text(plain_insert(target.connection))
    return path


def plain_insert(connection: asyncpg.Connection) -> str:
    """The script of pgbench for the server of the connection."""
    request_uid = "uuidv7()" if connection.get_server_version().major >= 18 else _TIME_ORDERED_UUID
    return (SQL / "pgbench.sql").read_text().replace("{request_uid}", request_uid)
