"""Faults of PostgreSQL, and of its other users."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import asyncpg

from tests.tools.ledger.faults.fault import fault, repeating
from tests.tools.ledger.service import http_get
from tests.tools.ledger.system import SystemUnderTest

OF_THE_SERVICE = "FROM pg_stat_activity WHERE application_name LIKE 'requirements-service%'"
WRITING = f"SELECT pid {OF_THE_SERVICE} ORDER BY state = 'active' DESC, random() LIMIT 1"
TERMINATE = f"SELECT pg_terminate_backend(pid) {OF_THE_SERVICE}"
TERMINATE_LISTENERS = f"{TERMINATE} AND application_name = 'requirements-service registry'"


@fault(0)
async def restart_postgres(system: SystemUnderTest) -> AsyncIterator[None]:
    """Restart PostgreSQL in fast mode."""
    await system.postgres.stop()
    await system.postgres.start()
    yield


@fault(0.5)
async def kill_a_backend(system: SystemUnderTest) -> AsyncIterator[None]:
    """Kill a backend that is writing with SIGKILL: the server ends all backends and recovers."""
    async with system.connection() as connection:
        os.kill(await connection.fetchval(WRITING), signal.SIGKILL)
    yield


@fault(1)
async def terminate_backends(system: SystemUnderTest) -> AsyncIterator[None]:
    """Terminate all of the service's connections, repeatedly."""
    async with repeating(lambda: system.execute(TERMINATE), 0.2):
        yield


@fault(1, unknowns_per_second=0)
async def terminate_listeners(system: SystemUnderTest) -> AsyncIterator[None]:
    """Terminate the connections that listen for registry changes, repeatedly."""
    async with repeating(lambda: system.execute(TERMINATE_LISTENERS), 0.2):
        yield


@fault(0.1)
async def kill_the_postmaster(system: SystemUnderTest) -> AsyncIterator[None]:
    """Kill the postmaster with SIGKILL, and start it again with crash recovery."""
    await system.postgres.kill()
    await system.postgres.start()
    yield


@fault(5, long=60)
async def take_postgres_away(system: SystemUnderTest) -> AsyncIterator[None]:
    """Stop PostgreSQL for a while: the workers stay alive, and report that they are not ready."""
    await system.postgres.stop()
    try:
        async with repeating(lambda: _check_alive_but_not_ready(system), 0.25):
            yield
    finally:
        await system.postgres.start()


async def _check_alive_but_not_ready(system: SystemUnderTest) -> None:
    ping, ready = await asyncio.gather(http_get(system.service.port, "/ping"), http_get(system.service.port, "/ready"))
    assert ping is not None, "/ping did not respond without PostgreSQL"
    assert ready is not None, "/ready did not respond without PostgreSQL"
    assert (ping.code, ready.code) == (200, 503)


@fault(2, long=20)
async def use_up_connections(system: SystemUnderTest) -> AsyncIterator[None]:
    """Other clients occupy every connection slot of the server."""
    async with contextlib.AsyncExitStack() as others:
        first = await others.enter_async_context(system.connection())

        async def occupy() -> None:
            await first.execute(TERMINATE)
            with contextlib.suppress(asyncpg.TooManyConnectionsError):
                while True:
                    await others.enter_async_context(system.connection())

        async with repeating(occupy, 0.2):
            yield


@fault(2, long=20)
async def exhaust_the_pool(system: SystemUnderTest) -> AsyncIterator[None]:
    """Slow statements occupy every connection of every pool: /ready waits for a lock."""
    async with system.connection() as other, other.transaction():
        await other.execute("LOCK TABLE schema_migrations")

        async def request_all() -> None:
            await asyncio.gather(*(http_get(system.service.port, "/ready") for _ in range(64)))

        async with repeating(request_all, 0.01):
            yield
            await other.execute("SELECT")


@fault(3, long=30, unknowns_per_second=128)
async def lock_the_table(system: SystemUnderTest) -> AsyncIterator[None]:
    """Another transaction holds an exclusive lock on the table."""
    async with system.connection() as other, other.transaction():
        await other.execute("LOCK TABLE requirements")
        yield
