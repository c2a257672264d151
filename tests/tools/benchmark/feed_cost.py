"""What the change feed costs a create: `python -m tests.tools.benchmark.feed_cost [SECONDS]`.

Two databases are cloned from the same filled one: one as it is, one whose rows are no changes, because it has neither
the defaults of the feed's columns nor its index, and its statement does not write the request id. In turns, the service
writes batches into each; the processor time of the PostgreSQL processes is compared.
"""

import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg

from service.config import load_config
from service.database.pool import open_database
from service.embedded_postgres.server import run_embedded
from service.storage.requirements import Form, RequirementStore
from tests.databases import connected, on_database
from tests.tools.benchmark.index_cost import BATCH, BATCHES_A_TURN, SETTINGS, Variant, fill

SECONDS = 20.0
# The contract: a create with the feed takes at most so many times the processor time of one without it.
LIMIT = 1.10

WITHOUT = """
DROP INDEX requirements_order_idx;
ALTER TABLE requirements ALTER COLUMN transaction_id DROP DEFAULT, ALTER COLUMN change_id DROP DEFAULT;
"""
# Parts of the statement for new requirements that are there for the feed, and what stood there before.
PARTS: Mapping[str, str] = {
    "session_id, request_id\n": "session_id\n",
}


class StoreWithoutFeed(RequirementStore):
    """Inserts requirements as if there were no feed."""

    def _statement(self, types: tuple[str, ...], form: Form) -> str:
        statement = super()._statement(types, form)
        for part, before in PARTS.items():
            assert part in statement, part
            statement = statement.replace(part, before)
        return statement


@contextlib.asynccontextmanager
async def variants(server: asyncpg.Connection, url: str) -> AsyncIterator[list[Variant]]:
    """The database with the feed, and the one without."""
    config = load_config(None, {})
    async with contextlib.AsyncExitStack() as stack:
        made = []
        for name, store in (("with_feed", RequirementStore), ("without_feed", StoreWithoutFeed)):
            await server.execute(f"CREATE DATABASE {name} TEMPLATE complete")
            own = on_database(url, name)
            if name == "without_feed":
                async with connected(own) as connection:
                    await connection.execute(WITHOUT)
            database = await stack.enter_async_context(open_database(config.database, own))
            made.append(Variant(name, database, store(database, config.associations), []))
        yield made


async def measure(seconds: float) -> list[Variant]:
    """Let both take turns for so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        async with run_embedded(Path(folder), settings=SETTINGS) as server, connected(server.url) as connection:
            await connection.execute("CREATE DATABASE complete")
            _, tokens = await fill(on_database(server.url, "complete"))
            async with variants(connection, server.url) as made:
                deadline = time.monotonic() + seconds
                while time.monotonic() < deadline:
                    for variant in random.sample(made, len(made)):
                        await variant.take_turn(tokens)
                return made


def report(made: list[Variant]) -> str:
    """The median time of each, and the median of the ratios of all turns."""
    with_feed, without = (variant.turns[2:] for variant in made)  # the first turns make plans and fill caches
    ratio = statistics.median(one / other for one, other in zip(with_feed, without, strict=True))
    return (
        f"a create takes {statistics.median(with_feed):.1f} us of PostgreSQL's processor time with the change feed, "
        f"{statistics.median(without):.1f} us without: {ratio:.2f} times, at most {LIMIT:.2f}\n"
        f"{len(with_feed)} turns of {BATCH * BATCHES_A_TURN} rows each"
    )


if __name__ == "__main__":
    print(report(asyncio.run(measure(float(sys.argv[1]) if sys.argv[1:] else SECONDS))))  # noqa: T201 - its output
