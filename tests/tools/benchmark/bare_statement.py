"""Time the statement of a create alone, one after another, without HTTP: the lower limit of a request's latency."""

import dataclasses
from time import perf_counter

from service.config import load_config
from service.database.pool import open_database
from service.domain.callers import digest
from service.domain.requirements import submission
from service.domain.schemas import CreateParams, Reference
from service.storage.requirements import RequirementStore
from tests.tools.benchmark.payloads import params
from tests.tools.benchmark.plan import Callers


async def time_creates(url: str, seconds: float, callers: Callers, population: int) -> list[float]:
    """Return the latency of each create in seconds: the service's own statement over its own pool."""
    config = load_config(None, {})
    latencies = []
    async with open_database(dataclasses.replace(config.database, url=url), url) as database:
        store = RequirementStore(database, config.associations)
        deadline = perf_counter() + seconds
        for wanted in params(callers, population):
            started = perf_counter()
            item = submission(digest(str(wanted["token"])), _create_params(wanted), None)
            await store.create([item], wait=False)
            latencies.append(perf_counter() - started)
            if perf_counter() > deadline:
                break
    return latencies


def _create_params(wanted: dict[str, object]) -> CreateParams:
    required, requireable = (Reference(**wanted[name]) for name in ("required", "requireable"))  # type: ignore[arg-type]
    return CreateParams(required, requireable, str(wanted["key"]), str(wanted["value"]), None, None)
