"""Time the statement of a create alone, one after another, without HTTP: the lower limit of a request's latency."""

import dataclasses
from time import perf_counter

from service.config import load_config
from service.database.pool import open_database
from service.domain.callers import digest
from service.domain.references import Reference
from service.domain.requirements import NewRequirement, new_requirement
from service.storage.requirements import RequirementStore
from tests.tools.benchmark.payloads import params
from tests.tools.benchmark.plan import Callers


async def time_creates(url: str, seconds: float, callers: Callers, population: int) -> list[float]:
    """Return the latency of each create in seconds: the service's own statement over its own pool."""
    config = load_config(None, {})
    latencies = []
    async with open_database(dataclasses.replace(config.database, url=url), url) as database:
        store = RequirementStore(database, config.association_tables)
        deadline = perf_counter() + seconds
        for wanted in params(callers, population):
            started = perf_counter()
            await store.insert([new_item(wanted)], wait=False)
            latencies.append(perf_counter() - started)
            if perf_counter() > deadline:
                break
    return latencies


def new_item(wanted: dict[str, object]) -> NewRequirement:
    """The requirement that a create with these params writes."""
    required, requireable = (Reference(**wanted[name]) for name in ("required", "requireable"))  # type: ignore[arg-type]
    loaded = {"required": required, "requireable": requireable, "key": wanted["key"], "value": wanted["value"]}
    return new_requirement(digest(str(wanted["token"])), loaded, None)
