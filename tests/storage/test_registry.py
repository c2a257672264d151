"""The registry: how it is loaded, and how its followers learn of changes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from service.api.route_registry import RegistryNeverLoaded, RouteRegistry
from service.database.errors import NotConnected
from service.storage.registry import Route, deploy_route, forget_route, load_registry
from tests.factories import Records

NAME = ("requirements", "v1", "create")

SERVING = Route(sensitive_params=False, deployed=True, service_deployed=True)
SENSITIVE = replace(SERVING, sensitive_params=True)
WITHDRAWN = replace(SERVING, deployed=False)

# Statements that change either table, and the route afterwards.
CHANGES = [
    ("UPDATE routes SET deployed_at = NULL", WITHDRAWN),
    ("UPDATE routes SET sensitive_params = true", SENSITIVE),
    ("UPDATE services SET deployed_at = NULL", replace(SERVING, service_deployed=False)),
    ("DELETE FROM services", None),
    ("DELETE FROM routes", None),
    ("TRUNCATE routes", None),
    ("UPDATE routes SET action = 'other'", None),
]

# Longer than any test waits: every change that arrives was notified.
NEVER = 60.0


async def always_fit(_connection: asyncpg.Connection) -> None:
    """A database check that always passes."""


@contextlib.asynccontextmanager
async def following(database_url: str, poll_seconds: float) -> AsyncIterator[RouteRegistry]:
    """A running follower that has attempted to load the registry once."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(database_url)

    follower = RouteRegistry(connect, always_fit, poll_seconds)
    task = asyncio.create_task(follower.follow())
    await follower.attempted.wait()
    try:
        yield follower
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def wait_for_route(follower: RouteRegistry, route: Route | None, seconds: float) -> None:
    """Wait until the follower's registry has this route."""
    deadline = time.monotonic() + seconds
    while follower.registry.get(NAME) != route:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_loading(records: Records) -> None:
    """Each route is loaded under service, version and action, with its deployment; a service without routes is not."""
    assert await load_registry(records.connection) == {}
    await records.deploy(sensitive_params=True, route=NAME)
    await records.connection.execute("INSERT INTO services (name) VALUES ('bare')")
    await records.connection.execute("INSERT INTO routes (service_id, version, action) VALUES (2, 'v3', 'act')")
    assert await load_registry(records.connection) == {
        NAME: Route(sensitive_params=True, deployed=True, service_deployed=True),
        ("bare", "v3", "act"): Route(sensitive_params=False, deployed=False, service_deployed=False),
    }


@pytest.mark.parametrize(("change", "route"), CHANGES)
async def test_a_change_is_notified(records: Records, database_url: str, change: str, route: Route | None) -> None:
    """The follower learns of any change of a service or a route within a second."""
    await records.deploy(route=NAME)
    async with following(database_url, NEVER) as follower:
        assert follower.registry[NAME] == SERVING
        await records.connection.execute(change)
        await wait_for_route(follower, route, 1)


async def test_only_committed_changes_take_effect(records: Records, database_url: str) -> None:
    """A change takes effect at its commit; a rolled back change has no effect."""
    await records.deploy(route=NAME)
    async with following(database_url, NEVER) as follower:
        transaction = records.connection.transaction()
        await transaction.start()
        await records.connection.execute("DELETE FROM routes")
        await transaction.rollback()
        await records.connection.execute("UPDATE routes SET sensitive_params = true")
        await wait_for_route(follower, SENSITIVE, 1)


async def test_a_lost_notification_is_found_by_polling(records: Records, database_url: str) -> None:
    """Without a notification a change is found by the next poll."""
    await records.deploy(route=NAME)
    async with following(database_url, 0.2) as follower:
        await records.connection.execute("SET session_replication_role = replica; UPDATE routes SET deployed_at = NULL")
        await wait_for_route(follower, WITHDRAWN, 2)


async def test_a_terminated_listener_is_replaced_at_once(records: Records, database_url: str) -> None:
    """A terminated listening connection is replaced at once, and the registry is loaded again."""
    await records.deploy(route=NAME)
    async with following(database_url, NEVER) as follower:
        await records.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        await records.connection.execute("UPDATE routes SET deployed_at = NULL")
        await wait_for_route(follower, WITHDRAWN, 2)


async def test_never_loaded() -> None:
    """Until the first load succeeds there is no registry, and the follower retries."""
    attempts = 0

    async def connect() -> asyncpg.Connection:
        nonlocal attempts
        attempts += 1
        raise NotConnected("unreachable")

    follower = RouteRegistry(connect, always_fit, NEVER)
    task = asyncio.create_task(follower.follow())
    await follower.attempted.wait()
    with pytest.raises(RegistryNeverLoaded):
        _ = follower.registry
    deadline = time.monotonic() + 5
    while attempts < 2:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    task.cancel()


async def test_every_follower_is_notified(records: Records, database_url: str) -> None:
    """Every follower is notified."""
    await records.deploy(route=NAME)
    async with following(database_url, NEVER) as first, following(database_url, NEVER) as second:
        await records.connection.execute("UPDATE routes SET deployed_at = NULL")
        for follower in (first, second):
            await wait_for_route(follower, WITHDRAWN, 1)


@pytest.mark.parametrize("turns", range(6))
async def test_a_follower_stops_while_its_connection_ends(database_url: str, turns: int) -> None:
    """A cancelled follower stops even if its connection ends at the same moment, as when a supervisor is killed."""
    connection = await asyncpg.connect(database_url)

    async def connect() -> asyncpg.Connection:
        return connection

    follower = RouteRegistry(connect, always_fit, NEVER)
    task = asyncio.create_task(follower.follow())
    await follower.attempted.wait()
    connection.terminate()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=3)
    task.cancel()
    assert done == {task}


async def test_a_forgotten_route_leaves_its_service_and_a_record_in_the_audit(records: Records) -> None:
    """Forgetting deletes the route alone and says who did it; a route without a record leaves no trace."""
    for name in (NAME, ("requirements", "v1", "creat")):
        await deploy_route(records.connection, name, sensitive_params=None)
    assert await forget_route(records.connection, "requirements", "v1", "creat", "someone")
    assert not await forget_route(records.connection, "requirements", "v1", "creat", "someone")
    assert set(await load_registry(records.connection)) == {NAME}
    rows = await records.connection.fetch("SELECT actor, action, details FROM audit")
    assert [tuple(row) for row in rows] == [("someone", "forget", '{"name": "requirements/v1/creat"}')]
