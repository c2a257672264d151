"""Read the service's own counters of requests and database statements."""

import asyncio
from typing import NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

# The service updates its statement counter every 0.25 seconds.
SETTLE_SECONDS = 0.3

REQUESTS, STATEMENTS = "requirements_requests_total", "requirements_database_statements_total"


class ServiceCounters(NamedTuple):
    """Totals since the service started."""

    requests: float
    statements: float


async def read_service_counters(console: int) -> ServiceCounters:
    """Read the counters of the service with its console at this port."""
    await asyncio.sleep(SETTLE_SECONDS)
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{console}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    samples = [sample for family in families for sample in family.samples]
    requests, statements = (
        sum(sample.value for sample in samples if sample.name == name) for name in (REQUESTS, STATEMENTS)
    )
    return ServiceCounters(requests, statements)
