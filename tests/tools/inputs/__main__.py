"""`make fuzz`: generated requests at scale against the service, and a table of what was asked and answered.

FUZZ_SEED chooses the requests, FUZZ_REQUESTS how many. Ends with 1 where any answer was not as owed, or too few were.
"""

import os
import sys
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path
from time import perf_counter

import uvloop

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.server import run_embedded
from tests.conftest import FAST, TEMPLATE
from tests.databases import connected, on_database
from tests.tools.inputs.framing_run import run_framing
from tests.tools.inputs.generated import generated
from tests.tools.inputs.running import Judged, Runner
from tests.tools.inputs.service import MAX_BODY_BYTES, Deployed, deployed

SEED = int(os.environ.get("FUZZ_SEED", "1"))
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "100000"))
CONNECTIONS = 32

# One request in so many is spoiled as a message rather than in what it says.
FRAMING_SHARE = 8


async def fuzz(folder: Path) -> Judged:
    """Send all requests and judge all answers, and at last the table that they went into."""
    async with run_embedded(folder / "postgres", settings=FAST) as server:
        async with connected(server.url) as connection:
            await connection.execute(f"CREATE DATABASE {TEMPLATE}")
        async with connected(on_database(server.url, TEMPLATE)) as connection:
            await migrate(connection, load_migrations(resource("sql") / "migrations"))
        async with deployed(server.url, TEMPLATE, folder) as service:
            return await _judge(service)


async def _judge(service: Deployed) -> Judged:
    runner = Runner(service.port, service.world, MAX_BODY_BYTES)
    framed = REQUESTS // FRAMING_SHARE
    await runner.run(islice(generated(service.world, SEED), REQUESTS - framed), CONNECTIONS)
    await run_framing(service, SEED, framed, CONNECTIONS, runner.judged)
    await runner.judge_rows(service.connection)
    runner.judged.failures += service.disorder()
    return runner.judged


def table(counts: Counter[tuple[str, str]]) -> str:
    """A line for each family and status, and the sums of the families."""
    families = list(dict.fromkeys(family for family, _ in counts))
    lines = [f"{'family':<16}{'status':<26}{'answers':>9}"]
    for family in families:
        found = sorted((status, number) for (name, status), number in counts.items() if name == family)
        lines += [f"{family:<16}{status:<26}{number:>9,}" for status, number in found]
    return "\n".join([*lines, f"{'all':<42}{counts.total():>9,}"])


def main() -> int:
    """Run, tell, and say whether all was as it should be."""
    began = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        judged = uvloop.run(fuzz(Path(folder)))
    answered = judged.counts.total() - sum(n for (_, status), n in judged.counts.items() if status == "no answer")
    print(table(judged.counts))  # noqa: T201 - what this command is for
    print(f"{perf_counter() - began:.0f} s, FUZZ_SEED={SEED}: {len(judged.failures)} not as owed")  # noqa: T201
    for failure in judged.failures:
        print(failure, file=sys.stderr)  # noqa: T201
    return int(bool(judged.failures) or answered < REQUESTS)


if __name__ == "__main__":
    sys.exit(main())
