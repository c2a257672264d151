"""The sampler: gauges and counters that are updated four times a second."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial

from service.config import Config
from service.database.pool import PoolUse, open_database
from service.metrics.definitions import Metrics
from tests.conftest import Client
from tests.factories import CREATE, Records, params
from tests.serving.process import until

HOUR = timedelta(hours=1)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """The value of one sample."""
    return metrics.registry.get_sample_value(name, labels)


async def test_session_touches_are_counted(client: Client, metrics: Metrics, records: Records) -> None:
    """The use of a session idle for an hour is recorded and counted. The next uses within a minute are not."""
    session = await records.session(idle=HOUR)
    sent = params(session.token, session.user_id)
    assert (await client.post(CREATE, json=sent)).status == 200
    await until(lambda: value(metrics, "requirements_session_touches_total") == 1)
    for _ in range(2):
        assert (await client.post(CREATE, json=sent)).status == 200
    await until(lambda: value(metrics, "requirements_database_statements_total") == 4)
    assert value(metrics, "requirements_session_touches_total") == 1


async def test_the_age_and_loads_of_the_registry(client: Client, metrics: Metrics, records: Records) -> None:
    """A deploy causes a load of the registry, which resets its age."""
    assert (await client.get("/ping")).status == 200
    before = value(metrics, "requirements_registry_loads_total") or 0
    began = time.monotonic()
    await records.deploy()
    await until(lambda: (value(metrics, "requirements_registry_loads_total") or 0) > before)
    age = value(metrics, "requirements_registry_age_seconds")
    assert age is not None
    assert 0 <= age <= time.monotonic() - began


async def test_the_age_of_the_registry_grows_while_it_cannot_be_loaded(unreachable: Client, metrics: Metrics) -> None:
    """Without a database, the age is the time since the start and no load is counted."""
    assert (await unreachable.get("/ping")).status == 200
    first = value(metrics, "requirements_registry_age_seconds") or 0
    await until(lambda: (value(metrics, "requirements_registry_age_seconds") or 0) > first + 0.5)
    assert value(metrics, "requirements_registry_loads_total") == 0


async def test_cpu_time_and_memory(client: Client, metrics: Metrics) -> None:
    """CPU time and memory are positive, and CPU time only grows."""
    assert (await client.get("/ping")).status == 200
    first = value(metrics, "requirements_worker_cpu_seconds_total", worker="0") or 0
    assert 0 < first <= time.process_time()
    assert (value(metrics, "requirements_worker_resident_memory_bytes", worker="0") or 0) > 10_000_000
    await until(lambda: (value(metrics, "requirements_worker_cpu_seconds_total", worker="0") or 0) > first)


async def test_a_blocked_event_loop_is_a_lag(client: Client, metrics: Metrics) -> None:
    """A blocked event loop appears in the lag histogram."""
    assert (await client.get("/ping")).status == 200
    deadline = time.monotonic() + 0.6
    while time.monotonic() < deadline:
        pass
    slow = ("requirements_event_loop_lag_seconds_bucket", "0.25")
    await until(lambda: (value(metrics, slow[0], le="+Inf") or 0) > (value(metrics, slow[0], le=slow[1]) or 0))


async def test_the_use_of_the_pool(config: Config) -> None:
    """The pool reports connections in use, waiting tasks, and idle connections."""
    assert config.database.url is not None
    async with open_database(replace(config.database, pool_size=1), config.database.url) as database:
        assert database.use() == PoolUse(in_use=0, idle=0, limit=1, waiting=0)
        async with database.connection():
            second = asyncio.create_task(database.fetch("SELECT 1"))
            await until(lambda: database.use().waiting)
            assert database.use() == PoolUse(in_use=1, idle=0, limit=1, waiting=1)
        await second
        assert database.use() == PoolUse(in_use=0, idle=1, limit=1, waiting=0)
        assert database.statements == 1


async def test_batches_and_queues(client: Client, metrics: Metrics, records: Records) -> None:
    """Each create counts as one item of a create batch and one of a look-up batch; none is left waiting."""
    application, (user_id, _) = await records.application(), await records.user()
    sent = params(application.token, user_id)
    keys = ({"Idempotency-Key": str(number)} for number in range(20))
    await asyncio.gather(*(client.post(CREATE, json=sent, headers=key) for key in keys))
    for batch in ("write", "look_up"):
        await until(partial(items_processed, metrics, batch, 20))
        assert 1 <= (value(metrics, "requirements_batches_total", batch=batch) or 0) <= 20
        assert value(metrics, "requirements_batch_waiting", batch=batch) == 0


def items_processed(metrics: Metrics, batch: str, items: int) -> bool:
    """Whether `items` items were processed in batches of this name."""
    return value(metrics, "requirements_batch_items_total", batch=batch) == items
