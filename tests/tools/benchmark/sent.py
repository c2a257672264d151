"""What the service itself counts: its requests, and the statements that it sent for them."""

import asyncio
from typing import NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

# It counts its statements every quarter of a second.
SETTLE_SECONDS = 0.3

REQUESTS, STATEMENTS = "requirements_requests_total", "requirements_database_statements_total"


class Sent(NamedTuple):
    """Since the service was started."""

    requests: float
    statements: float


async def sent(console: int) -> Sent:
    """What the service says that has its console at this port."""
    await asyncio.sleep(SETTLE_SECONDS)
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{console}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    samples = [sample for family in families for sample in family.samples]
    requests, statements = (
        sum(sample.value for sample in samples if sample.name == name) for name in (REQUESTS, STATEMENTS)
    )
    return Sent(requests, statements)
