"""PgBouncer between the service and PostgreSQL: session mode works, the other modes are refused with one line."""

import asyncio
from dataclasses import replace
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from service.config import Config
from service.database.checks import TRANSACTION_POOLING, UnfitDatabaseError, refuse_transaction_pooling
from service.database.connection import connect
from service.database.pool import open_database
from service.database.session import INDEX_PLANS_ONLY, ORIGIN
from tests.api.exchange import read_envelope
from tests.cli.command import CommandLine
from tests.factories import CREATE, AppRecord, Records, params
from tests.serving.pgbouncer import pgbouncer
from tests.serving.process import serving


@pytest.mark.parametrize("options", ["", "?options=-c%20geqo%3Doff"])
async def test_settings_and_notifications_in_session_mode(
    config: Config, database_url: str, connection: asyncpg.Connection, options: str
) -> None:
    """With the shipped pgbouncer.ini, a connection has all its settings, hears notifications, and passes the check."""
    async with pgbouncer(database_url) as url, open_database(config.database, url + options) as database:
        settings = replace(config.database, url=url)
        listener = await connect(settings, url + options, "requirements-service registry")
        await refuse_transaction_pooling(listener, settings)
        heard = asyncio.Event()
        await listener.add_listener("registry_changed", lambda *_: heard.set())
        await connection.execute("NOTIFY registry_changed")
        async with asyncio.timeout(10):
            await heard.wait()
        expected = {**INDEX_PLANS_ONLY, **ORIGIN, "row_security": "off", "search_path": '"public", pg_temp'}
        for name, value in expected.items():
            assert (await database.fetch("SELECT current_setting($1)", name))[0][0] == value
        listener.terminate()


async def test_settings_do_not_reach_the_next_client(config: Config, database_url: str) -> None:
    """When our connection ends, PgBouncer resets its settings before another client gets the server's process."""
    async with pgbouncer(database_url) as url:
        ours = await connect(config.database, url, "test")
        process = await ours.fetchval("SELECT pg_backend_pid()")
        await ours.close()
        other = await asyncpg.connect(url)
        async with asyncio.timeout(10):
            while await other.fetchval("SELECT pg_backend_pid()") != process:
                await other.close()
                other = await asyncpg.connect(url)
        assert await other.fetchval("SELECT current_setting('row_security')") == "on"
        await other.close()


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("others", [0, 3])
async def test_other_modes_are_refused(config: Config, database_url: str, mode: str, others: int) -> None:
    """Transaction and statement mode are detected, with or without other clients."""
    async with pgbouncer(database_url, mode) as url:
        settings = replace(config.database, url=url)
        clients = [await connect(settings, url, "other") for _ in range(others)]
        connection = await connect(settings, url, "test")
        with pytest.raises(UnfitDatabaseError) as error:
            await refuse_transaction_pooling(connection, settings)
        assert str(error.value) == TRANSACTION_POOLING
        for client in (connection, *clients):
            client.terminate()


async def test_a_direct_connection_is_not_doubted(config: Config, connection: asyncpg.Connection) -> None:
    """Without a pooler, the check opens no second connection."""
    unreachable = replace(config.database, url="postgresql://nobody@127.0.0.1:1/nothing")
    await refuse_transaction_pooling(connection, unreachable)


@pytest.mark.parametrize("words", [("serve",), ("routes", "list"), ("migrate",)])
async def test_commands_refuse_transaction_mode(tmp_path: Path, database_url: str, words: tuple[str, ...]) -> None:
    """The service does not start, and no command runs, behind a pooler in transaction mode. One line says why."""
    async with pgbouncer(database_url, "transaction") as url:
        settings = {"PORT": "0", "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false"}
        done = await CommandLine(tmp_path, url)(*words, **settings)
    assert (done.code, done.complaint) == (1, TRANSACTION_POOLING)


async def test_serving_in_session_mode(
    tmp_path: Path, database_url: str, records: Records, application: AppRecord, user_id: int
) -> None:
    """The service with two workers serves through the shipped pgbouncer.ini, and follows changes of its routes."""
    async with pgbouncer(database_url) as url:
        environ = {"DATABASE_URL": url, "WEB_CONCURRENCY": "2", "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false"}
        async with serving(tmp_path, environ=environ) as serve, aiohttp.ClientSession() as http:
            await serve.workers()

            async def status() -> str:
                async with http.post(f"{serve.url}{CREATE}", json=params(application.token, user_id)) as response:
                    return str((await read_envelope(response)).status)

            assert await status() == "route-not-found"
            await records.deploy()
            async with asyncio.timeout(20):
                while [await status() for _ in range(8)] != ["action-successful"] * 8:
                    await asyncio.sleep(0.05)
            async with http.get(f"{serve.url}/ready") as response:
                assert response.status == 200
