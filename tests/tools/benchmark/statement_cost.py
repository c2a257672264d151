"""`make bench-statement`: what the statement of a create costs PostgreSQL, in parts and as a whole.

The processor time of each server process is read from the clock of its scheduler, for about 75 seconds. All statements
take turns on one server, each over a connection of its own. The connections are opened anew again and again, because
some server processes are slower than others all their life. The callers are 1,000 sessions that were opened in
applications. The server does not wait for the disk: the time of its processes does not depend on when their writes
reach it.
"""

import asyncio
import contextlib
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import asyncpg
import click

from service.config import load_config
from service.database.arrays import array_literal
from service.database.connection import connect
from service.database.queries import QUERIES
from service.database.session import INDEX_PLANS_ONLY
from service.domain.requirements import NewRequirement
from service.embedded_postgres.server import run_embedded
from service.storage.requirements import compose_insert, insert_input
from service.storage.tokens import judging_tokens
from tests.tools.benchmark.bare_statement import new_item
from tests.tools.benchmark.contestants import plain_insert
from tests.tools.benchmark.database import SQL, target
from tests.tools.benchmark.figures import ratios
from tests.tools.benchmark.index_cost import SETTINGS, processor_nanoseconds
from tests.tools.benchmark.payloads import params
from tests.tools.benchmark.plan import Size

SECONDS = 75.0
TURNS = 12  # of each statement over one connection
WARM_UP = 2  # turns before
# Several in a row, because a connection of the service runs one after the other too, with warm caches.
STATEMENTS_A_TURN = {1: 32, 8: 16, 32: 6}
SIZES = tuple(STATEMENTS_A_TURN)
POPULATION = 1_000
TABLES = Size("statement", requirements=100_000, sessions=10_000)
# The contract: a create takes at most so much of the processor time of the statement before it.
LIMIT = 0.75

WHOLE, BEFORE, PLAIN = "the whole", "the statement before it", "pgbench's plain validated insert, one row"
UNCHECKED = """
checked AS MATERIALIZED (
    SELECT
        *, required_id AS application_id, requireable_id AS user_id, requireable_id AS session_id,
        true AS required_exists, true AS requireable_exists
    FROM input
)
"""

# By size and by name: the microseconds a statement over each connection, one after another.
Times = dict[int, dict[str, list[float]]]


class Part(NamedTuple):
    """A statement, and the arguments with which it takes some items."""

    statement: str
    arguments: Callable[[Sequence[NewRequirement]], Sequence[object]]


def _as_json(items: Sequence[NewRequirement]) -> Sequence[object]:
    return (insert_input(items),)


def _as_all_arguments(items: Sequence[NewRequirement]) -> Sequence[object]:
    return (insert_input(items), array_literal([]), None, None)


def _as_before(items: Sequence[NewRequirement]) -> Sequence[object]:
    return (insert_input(items), [], None, None)


def _as_two_ids(items: Sequence[NewRequirement]) -> Sequence[object]:
    return (items[0].required.id, items[0].requireable.id)


def parts_of_create(connection: asyncpg.Connection) -> Mapping[str, Part]:
    """All statements, by name. `connection` leads to the server that runs them."""
    config = load_config(None, {})
    tables = {name: config.association_tables[name] for name in ("Application", "Service")}
    whole = compose_insert(tables, "new")
    checked, after = whole.split(",\ninserted AS (")
    inserted, _ = after.rsplit("\n)\nSELECT", 1)
    reading = checked.split(",\nchecked AS MATERIALIZED (")[0]
    unlocked = judging_tokens(QUERIES["create_new_requirements"], in_short=True)
    for side in ("required", "requireable"):
        unlocked = unlocked.replace(f"{{{side}_exists}}", "true")
    judged = unlocked.split(",\ninserted AS (")[0]
    alone = f"{reading},{UNCHECKED},\ninserted AS ({inserted}\n)"
    plain = plain_insert(connection).splitlines()[-1].replace(":service", "$1::bigint")
    return {
        "an empty statement": Part("SELECT 1", lambda _: ()),
        "reading the rows": Part(f"{reading}\nSELECT count(request_uid) FROM input", _as_json),
        "+ judging the tokens": Part(
            f"{judged}\nSELECT count(*) FILTER (WHERE refusal IS NULL) FROM checked", _as_json
        ),
        "+ locking the references": Part(
            f"{checked}\nSELECT count(*) FILTER (WHERE required_exists AND requireable_exists) FROM checked", _as_json
        ),
        "reading and inserting": Part(f"{alone}\nSELECT * FROM inserted", _as_json),
        WHOLE: Part(whole, _as_json),
        "create_requirements": Part(compose_insert(tables, "any"), _as_all_arguments),
        BEFORE: Part((SQL / "create_before.sql").read_text(), _as_before),
        PLAIN: Part(plain.replace(":application", "$2::bigint"), _as_two_ids),
    }


def all_items() -> Iterator[NewRequirement]:
    """New requirements without end, each with a request_uid of its own."""
    return (new_item(wanted) for wanted in params("session", POPULATION))


@contextlib.asynccontextmanager
async def connections(url: str, names: Sequence[str]) -> AsyncIterator[dict[str, asyncpg.Connection]]:
    """A new connection for each name, as the service opens them."""
    config = load_config(None, {})
    opened = {name: await connect(config.database, url, "benchmark", session=INDEX_PLANS_ONLY) for name in names}
    yield opened
    for connection in opened.values():
        await connection.close()


async def take_turns(
    opened: Mapping[str, asyncpg.Connection], parts: Mapping[str, Part], items: Iterator[NewRequirement], size: int
) -> dict[str, float]:
    """The median of the microseconds of each statement, with batches of this size."""
    turns: dict[str, list[float]] = {name: [] for name in parts}
    count = STATEMENTS_A_TURN[size]
    for turn in range(-WARM_UP, TURNS):
        for name in random.sample(list(parts), len(parts)):
            statement, arguments = parts[name]
            calls = [arguments(list(itertools.islice(items, size))) for _ in range(count)]
            pid = opened[name].get_server_pid()
            before = processor_nanoseconds(pid)
            for call in calls:
                await opened[name].fetch(statement, *call)
            if turn >= 0:
                turns[name].append((processor_nanoseconds(pid) - before) / count / 1e3)
    return {name: statistics.median(times) for name, times in turns.items()}


async def measure(url: str, seconds: float) -> Times:
    """The times of all statements on this database, which is migrated and filled."""
    times: Times = {size: {} for size in SIZES}
    items, deadline = all_items(), time.monotonic() + seconds
    while not times[SIZES[0]] or time.monotonic() < deadline:
        for size in SIZES:
            async with connections(url, ["any"]) as opened:
                parts = parts_of_create(opened["any"])
            async with connections(url, list(parts)) as opened:
                for name, microseconds in (await take_turns(opened, parts, items, size)).items():
                    times[size].setdefault(name, []).append(microseconds)
    return times


def report(times: Times) -> str:
    """A line for each statement with the medians, and the ratios of the whole to the others."""
    lines = [f"{'microseconds of processor time a statement':44}" + "".join(f"{size:5} rows" for size in SIZES)]
    for name in times[SIZES[0]]:
        medians = [statistics.median(times[size][name]) for size in SIZES]
        lines.append(f"{name:44}" + "".join(f"{median:10,.0f}" for median in medians))
    for other, note in ((BEFORE, f", at most {LIMIT}"), (PLAIN, "")):
        spreads = [ratios(times[size][WHOLE], times[size][other]) for size in SIZES]
        found = "".join(f"{spread.median if spread else 0:10.2f}" for spread in spreads)
        lines.append(f"{f'{WHOLE} / {other}'[:43]:44}{found}{note}")
    rows = [ratios(times[size][WHOLE], [one * size for one in times[size][PLAIN]]) for size in SIZES]
    found = "".join(f"{spread.median if spread else 0:10.2f}" for spread in rows)
    return "\n".join([*lines, f"{'the same a row':44}{found}", f"medians over {len(times[1][WHOLE])} connections"])


async def main(seconds: float) -> None:
    """Run it on an embedded server, and print the report."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            run_embedded(Path(folder), settings=SETTINGS) as server,
            target(server.url, TABLES, click.echo) as filled,
        ):
            click.echo(report(await measure(filled.url, seconds)))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if sys.argv[1:] else SECONDS))
