"""The registry as records, and how a change of them reaches a follower."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from service.api.route_registry import RegistryNeverLoaded, RouteRegistry
from service.database.errors import NotConnected
from service.storage.registry import Route, load_registry
from tests.factories import Records

NAME = ("requirements", "v1", "create")

SERVING = Route(sensitive_params=False, deployed=True, service_deployed=True)
SENSITIVE = replace(SERVING, sensitive_params=True)
WITHDRAWN = replace(SERVING, deployed=False)

# Whoever changes a row of either table, and in whatever way.
CHANGES = [
    ("UPDATE routes SET deployed_at = NULL", WITHDRAWN),
    ("UPDATE routes SET sensitive_params = true", SENSITIVE),
    ("UPDATE services SET deployed_at = NULL", replace(SERVING, service_deployed=False)),
    ("DELETE FROM services", None),
    ("DELETE FROM routes", None),
    ("TRUNCATE routes", None),
    ("UPDATE routes SET action = 'other'", None),
]

# Longer than any test waits: what arrives was notified.
NEVER = 60.0


async def fit(_connection: asyncpg.Connection) -> None:
    """Any database is fit to be followed."""


@contextlib.asynccontextmanager
async def following(database_url: str, poll_seconds: float) -> AsyncIterator[RouteRegistry]:
    """A follower at work, once it has tried."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(database_url)

    follower = RouteRegistry(connect, fit, poll_seconds)
    task = asyncio.create_task(follower.follow())
    await follower.attempted.wait()
    try:
        yield follower
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def becomes(follower: RouteRegistry, route: Route | None, seconds: float) -> None:
    """Wait until the follower knows the route so."""
    deadline = time.monotonic() + seconds
    while follower.registry.get(NAME) != route:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_what_is_loaded(records: Records) -> None:
    """A route is known by its service, version and action, with whether each is deployed; a bare service is not."""
    assert await load_registry(records.connection) == {}
    await records.deploy(sensitive_params=True)
    await records.connection.execute("INSERT INTO services (name) VALUES ('bare')")
    await records.connection.execute("INSERT INTO routes (service_id, version, action) VALUES (2, 'v3', 'act')")
    assert await load_registry(records.connection) == {
        NAME: Route(sensitive_params=True, deployed=True, service_deployed=True),
        ("bare", "v3", "act"): Route(sensitive_params=False, deployed=False, service_deployed=False),
    }


@pytest.mark.parametrize(("change", "route"), CHANGES)
async def test_a_change_is_notified(records: Records, database_url: str, change: str, route: Route | None) -> None:
    """Whatever changes a service or a route, within a second the follower knows."""
    await records.deploy()
    async with following(database_url, NEVER) as follower:
        assert follower.registry[NAME] == SERVING
        await records.connection.execute(change)
        await becomes(follower, route, 1)


async def test_an_uncommitted_change_is_nobodys(records: Records, database_url: str) -> None:
    """A change counts from its commit, and one rolled back never."""
    await records.deploy()
    async with following(database_url, NEVER) as follower:
        transaction = records.connection.transaction()
        await transaction.start()
        await records.connection.execute("DELETE FROM routes")
        await transaction.rollback()
        await records.connection.execute("UPDATE routes SET sensitive_params = true")
        await becomes(follower, SENSITIVE, 1)


async def test_a_lost_notification_costs_one_poll(records: Records, database_url: str) -> None:
    """Without a notification, a change is found when the records are next read."""
    await records.deploy()
    async with following(database_url, 0.2) as follower:
        await records.connection.execute("SET session_replication_role = replica; UPDATE routes SET deployed_at = NULL")
        await becomes(follower, WITHDRAWN, 2)


async def test_a_terminated_listener_is_replaced_at_once(records: Records, database_url: str) -> None:
    """A connection that dies while nothing happens is noticed, and what changed meanwhile is read."""
    await records.deploy()
    async with following(database_url, NEVER) as follower:
        await records.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        await records.connection.execute("UPDATE routes SET deployed_at = NULL")
        await becomes(follower, WITHDRAWN, 2)


async def test_never_loaded() -> None:
    """Until the records could be read once, there is no registry; the follower goes on trying."""
    attempts = 0

    async def connect() -> asyncpg.Connection:
        nonlocal attempts
        attempts += 1
        raise NotConnected("nobody there")

    follower = RouteRegistry(connect, fit, NEVER)
    task = asyncio.create_task(follower.follow())
    await follower.attempted.wait()
    with pytest.raises(RegistryNeverLoaded):
        _ = follower.registry
    deadline = time.monotonic() + 5
    while attempts < 2:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    task.cancel()


async def test_two_followers_both_hear(records: Records, database_url: str) -> None:
    """Every worker follows for itself."""
    await records.deploy()
    async with following(database_url, NEVER) as first, following(database_url, NEVER) as second:
        await records.connection.execute("UPDATE routes SET deployed_at = NULL")
        for follower in (first, second):
            await becomes(follower, WITHDRAWN, 1)


@pytest.mark.parametrize("turns", range(6))
async def test_a_stop_at_the_moment_of_a_change_is_a_stop(database_url: str, turns: int) -> None:
    """A follower ends when told to, even as its connection ends: both come at once when a supervisor is killed."""
    connection = await asyncpg.connect(database_url)

    async def connect() -> asyncpg.Connection:
        return connection

    follower = RouteRegistry(connect, fit, NEVER)
    task = asyncio.create_task(follower.follow())
    await follower.attempted.wait()
    connection.terminate()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=3)
    task.cancel()
    assert done == {task}
