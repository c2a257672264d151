"""The statement of a create, one create after another, without HTTP: what every request takes at the least."""

import dataclasses
from time import perf_counter

from service.config import load_config
from service.database.pool import open_database
from service.domain.callers import digest
from service.domain.references import Reference
from service.domain.requirements import new_requirement
from service.storage.requirements import RequirementStore
from tests.tools.benchmark.payloads import params
from tests.tools.benchmark.plan import Callers


async def time_creates(url: str, seconds: float, callers: Callers, population: int) -> list[float]:
    """The seconds that each create took: the service's own statement, awaited over its pool."""
    config = load_config(None, {})
    latencies = []
    async with open_database(dataclasses.replace(config.database, url=url), url) as database:
        store = RequirementStore(database, config.associations)
        deadline = perf_counter() + seconds
        for wanted in params(callers, population):
            started = perf_counter()
            item = new_requirement(digest(str(wanted["token"])), _loaded(wanted), None)
            await store.insert([item], wait=False)
            latencies.append(perf_counter() - started)
            if perf_counter() > deadline:
                break
    return latencies


def _loaded(wanted: dict[str, object]) -> dict[str, object]:
    required, requireable = (Reference(**wanted[name]) for name in ("required", "requireable"))  # type: ignore[arg-type]
    return {"required": required, "requireable": requireable, "key": wanted["key"], "value": wanted["value"]}
