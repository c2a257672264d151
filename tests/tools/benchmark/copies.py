"""Time COPY into the table of requirements, with the references checked in the same transaction."""

import random
from itertools import count
from time import perf_counter

import asyncpg

from tests.tools.benchmark.payloads import RECORDS

COLUMNS = (
    "required_type",
    "required_id",
    "requireable_type",
    "requireable_id",
    "key",
    "value",
    "application_id",
)
HOLD = "SELECT id FROM {table} WHERE id = ANY ($1::bigint[]) ORDER BY id FOR KEY SHARE"


async def time_copies(url: str, seconds: float, rows: int) -> list[float]:
    """Return the latency of each copy of so many rows in seconds.

    Each is a transaction that holds the referenced rows, checks that all exist, and copies. The database makes the
    request_uids.
    """
    choose = random.Random(4)  # noqa: S311 - not a secret
    latencies: list[float] = []
    connection = await asyncpg.connect(url)
    deadline = perf_counter() + seconds
    try:
        for _ in count():
            services, applications = ([choose.randint(1, RECORDS) for _ in range(rows)] for _ in range(2))
            started = perf_counter()
            async with connection.transaction():
                await _hold(connection, "services", services)
                await _hold(connection, "applications", applications)
                records = [
                    ("Service", service, "Application", application, "tier", "gold", application)
                    for service, application in zip(services, applications, strict=True)
                ]
                await connection.copy_records_to_table("requirements", records=records, columns=COLUMNS)
            latencies.append(perf_counter() - started)
            if perf_counter() > deadline:
                break
    finally:
        await connection.close()
    return latencies


async def _hold(connection: asyncpg.Connection, table: str, ids: list[int]) -> None:
    held = {row["id"] for row in await connection.fetch(HOLD.format(table=table), ids)}
    if not held.issuperset(ids):
        raise ValueError("a reference does not exist")
