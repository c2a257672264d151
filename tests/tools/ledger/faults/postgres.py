"""Faults of PostgreSQL itself, and of others who use it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import asyncpg

from tests.tools.ledger.faults.kinds import fault, repeating
from tests.tools.ledger.scene import Scene
from tests.tools.ledger.service import ask

OF_THE_SERVICE = "FROM pg_stat_activity WHERE application_name LIKE 'requirements-service%'"
WRITING = f"SELECT pid {OF_THE_SERVICE} ORDER BY state = 'active' DESC, random() LIMIT 1"
TERMINATE = f"SELECT pg_terminate_backend(pid) {OF_THE_SERVICE}"
TERMINATE_LISTENERS = f"{TERMINATE} AND application_name = 'requirements-service registry'"


@fault(0)
async def restart_postgres(scene: Scene) -> AsyncIterator[None]:
    """A fast restart."""
    await scene.postgres.stop()
    await scene.postgres.start()
    yield


@fault(0.5)
async def kill_a_backend(scene: Scene) -> AsyncIterator[None]:
    """Kill -9 of a server process that writes: the server ends all of them, and recovers."""
    async with scene.connection() as connection:
        os.kill(await connection.fetchval(WRITING), signal.SIGKILL)
    yield


@fault(1)
async def terminate_backends(scene: Scene) -> AsyncIterator[None]:
    """All of the service's connections terminated, again and again."""
    async with repeating(lambda: scene.execute(TERMINATE), 0.2):
        yield


@fault(1, unknowns=0)
async def terminate_listeners(scene: Scene) -> AsyncIterator[None]:
    """The connections terminated by which changes of the registry are heard of."""
    async with repeating(lambda: scene.execute(TERMINATE_LISTENERS), 0.2):
        yield


@fault(0.1)
async def kill_the_postmaster(scene: Scene) -> AsyncIterator[None]:
    """Kill -9 of PostgreSQL's first process; it comes back by recovery."""
    await scene.postgres.kill()
    await scene.postgres.start()
    yield


@fault(5, long=60)
async def take_postgres_away(scene: Scene) -> AsyncIterator[None]:
    """No PostgreSQL for a while: the service says so, and lives."""
    await scene.postgres.stop()
    try:
        async with repeating(lambda: _lives_unready(scene), 0.25):
            yield
    finally:
        await scene.postgres.start()


async def _lives_unready(scene: Scene) -> None:
    ping, ready = await asyncio.gather(ask(scene.service.port, "/ping"), ask(scene.service.port, "/ready"))
    assert ping is not None, "no ping without PostgreSQL"
    assert ready is not None, "/ready says nothing without PostgreSQL"
    assert (ping.code, ready.code) == (200, 503)


@fault(2, long=20)
async def use_up_connections(scene: Scene) -> AsyncIterator[None]:
    """Others take every connection that the server has to give."""
    async with contextlib.AsyncExitStack() as others:
        first = await others.enter_async_context(scene.connection())

        async def take() -> None:
            await first.execute(TERMINATE)
            with contextlib.suppress(asyncpg.TooManyConnectionsError):
                while True:
                    await others.enter_async_context(scene.connection())

        async with repeating(take, 0.2):
            yield


@fault(2, long=20)
async def exhaust_the_pool(scene: Scene) -> AsyncIterator[None]:
    """Every connection of every pool is held by a slow statement: that of /ready waits for a lock."""
    async with scene.connection() as other, other.transaction():
        await other.execute("LOCK TABLE schema_migrations")

        async def ask_all() -> None:
            await asyncio.gather(*(ask(scene.service.port, "/ready") for _ in range(64)))

        async with repeating(ask_all, 0.01):
            yield
            await other.execute("SELECT")


@fault(3, long=30, unknowns=128)
async def lock_the_table(scene: Scene) -> AsyncIterator[None]:
    """Somebody locks everybody else out of the table."""
    async with scene.connection() as other, other.transaction():
        await other.execute("LOCK TABLE requirements")
        yield
