"""What each index of the requirements costs a create: `python -m tests.tools.benchmark.index_cost [SECONDS]`.

Each index has a database without it, cloned from the same filled one. In turns, the service's own statement writes
batches into each of them and into the complete one; the processor time of the PostgreSQL process is compared. The
callers are sessions that were opened in an application, so that each row is in every index.
"""

import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from service.config import load_config
from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.database.pool import Database, open_database
from service.domain.callers import digest
from service.domain.references import Reference
from service.domain.requirements import NewRequirement, new_requirement
from service.embedded_postgres.server import run_embedded
from service.storage.requirements import RequirementStore
from tests.databases import connected, on_database
from tests.factories import Records

SECONDS = 40.0
ROWS = 200_000
USERS = 1_000
BATCH = 32
BATCHES_A_TURN = 16
# The time of a process does not depend on when its writes reach the disk.
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "max_wal_size": "8GB", "autovacuum": "off"}

FILL = f"""
INSERT INTO users (email) SELECT n || '@users.example' FROM generate_series(1, {USERS}) AS n;
INSERT INTO requirements (
    required_type, required_id, requireable_type, requireable_id, key, value, application_id, user_id
)
SELECT
    'User', ceil(random() * {USERS}), 'User', ceil(random() * {USERS}), 'key-' || ceil(random() * 100), 'a value', 1,
    ceil(random() * {USERS})
FROM generate_series(1, {ROWS});
VACUUM ANALYZE;
"""  # noqa: S608 - constants
INDEXES = """
SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'requirements'::regclass AND NOT indisunique ORDER BY 1
"""


@dataclass
class Variant:
    """A database without one index, or the complete one, and the microseconds for each row in every turn."""

    index: str | None
    database: Database
    store: RequirementStore
    turns: list[float]

    async def take_turn(self, tokens: list[str]) -> None:
        """Write some batches."""
        pid = (await self.database.fetch("SELECT pg_backend_pid()"))[0][0]
        before = processor_nanoseconds(pid)
        for _ in range(BATCHES_A_TURN):
            await self.store.insert([_item(tokens) for _ in range(BATCH)], wait=False)
        self.turns.append((processor_nanoseconds(pid) - before) / (BATCH * BATCHES_A_TURN) / 1e3)


def processor_nanoseconds(pid: int) -> int:
    """The processor time of a process so far, by the clock of the scheduler."""
    return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[0])


def _item(tokens: list[str]) -> NewRequirement:
    required, requireable = (Reference("User", random.randint(1, USERS)) for _ in range(2))  # noqa: S311 - no secret
    key = f"key-{random.randint(1, 100)}"  # noqa: S311 - no secret
    params = {"required": required, "requireable": requireable, "key": key, "value": "a value"}
    return new_requirement(digest(random.choice(tokens)), params, None)  # noqa: S311 - no secret


async def fill(url: str) -> tuple[list[str], list[str]]:
    """Make the complete database; return its indexes and the tokens of some sessions."""
    async with connected(url) as connection:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        for statement in FILL.split(";\n"):
            if statement.strip():
                await connection.execute(statement)
        records = Records(connection)
        application = await records.application()
        sessions = [await records.session("client", application_id=application.id) for _ in range(50)]
        return [row[0] for row in await connection.fetch(INDEXES)], [session.token for session in sessions]


@contextlib.asynccontextmanager
async def variants(server: asyncpg.Connection, url: str, indexes: list[str]) -> AsyncIterator[list[Variant]]:
    """The complete database and, for each index, one without it."""
    config = load_config(None, {})
    async with contextlib.AsyncExitStack() as stack:
        made = []
        for number, index in enumerate([None, *indexes]):
            own = on_database(url, f"variant_{number}")
            await server.execute(f"CREATE DATABASE variant_{number} TEMPLATE complete")
            if index is not None:
                async with connected(own) as connection:
                    await connection.execute(f"DROP INDEX {index}")
            database = await stack.enter_async_context(open_database(config.database, own))
            made.append(Variant(index, database, RequirementStore(database, config.associations), []))
        yield made


async def measure(seconds: float) -> list[Variant]:
    """Let all variants take turns for so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        async with run_embedded(Path(folder), settings=SETTINGS) as server, connected(server.url) as connection:
            await connection.execute("CREATE DATABASE complete")
            indexes, tokens = await fill(on_database(server.url, "complete"))
            async with variants(connection, server.url, indexes) as made:
                deadline = time.monotonic() + seconds
                while time.monotonic() < deadline:
                    for variant in random.sample(made, len(made)):
                        await variant.take_turn(tokens)
                return made


def report(made: list[Variant]) -> str:
    """A line for each index: the median, over all turns, of the time with it less the time without it."""
    complete, *others = (variant.turns[2:] for variant in made)  # the first turns make plans and fill caches
    lines = [f"a create, all indexes: {statistics.median(complete):.1f} us of PostgreSQL's processor time a row"]
    for variant, turns in zip(made[1:], others, strict=True):
        cost = statistics.median(whole - less for whole, less in zip(complete, turns, strict=True))
        lines.append(f"  {variant.index}: {cost:.1f} us ({cost / statistics.median(complete):.1%})")
    return "\n".join([*lines, f"{len(complete)} turns of {BATCH * BATCHES_A_TURN} rows each"])


if __name__ == "__main__":
    print(report(asyncio.run(measure(float(sys.argv[1]) if sys.argv[1:] else SECONDS))))  # noqa: T201 - its output
