"""/ping and /ready: whether the process lives, and whether it can serve."""

import asyncio
import socket
from dataclasses import replace

import pytest

from service.api import keys
from service.api.app import create_app
from service.config import Config
from service.domain.statuses import RouteNonExistent
from tests.api.exchange import read_envelope, refusal
from tests.conftest import AppClient, Client
from tests.factories import Records
from tests.proxy import Proxy

FINE = {"database": "ok", "migrations": "ok", "serving": "ok"}
AWAY = {"database": "no answer", "migrations": "unknown", "serving": "ok"}


def told(**checks: str) -> tuple[int, dict[str, object]]:
    """What /ready tells when `checks` are not ok."""
    if checks:
        return 503, {"status": "unavailable", "checks": FINE | checks}
    return 200, {"status": "ok", "checks": FINE}


async def ready(client: Client) -> tuple[int, dict[str, object]]:
    """What /ready tells, which it does within two seconds."""
    async with asyncio.timeout(2):
        response = await client.get("/ready")
        return response.status, await response.json()


async def on(config: Config, url: str, aiohttp_client: AppClient) -> Client:
    """A client of the service on another database."""
    return await aiohttp_client(create_app(replace(config, database=replace(config.database, url=url))))


async def test_ping(client: Client) -> None:
    """The process says that it lives, to be cached by nobody."""
    response = await client.get("/ping")
    assert (response.status, await response.json()) == (200, {"status": "ok"})
    assert response.headers["Cache-Control"] == "no-store"


async def test_ready(client: Client) -> None:
    """With a migrated database and nothing else amiss, it is ready."""
    assert await ready(client) == told()
    assert (await client.get("/ready")).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/ping", "/ready"])
async def test_head(client: Client, path: str) -> None:
    """HEAD answers as GET does, without the body."""
    response = await client.head(path)
    assert (response.status, await response.read()) == (200, b"")
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/ping", "/ready"])
async def test_other_methods(client: Client, method: str, path: str) -> None:
    """Any other method is a route that does not exist."""
    assert (await read_envelope(await client.request(method, path))).code_and_body == refusal(RouteNonExistent)


async def test_ready_says_what_is_pending(client: Client, records: Records) -> None:
    """A migration that this build knows and the database does not makes it unready."""
    await records.connection.execute("DELETE FROM schema_migrations WHERE version = 2")
    assert await ready(client) == told(migrations="pending")


async def test_a_newer_migration_is_fine(client: Client, records: Records) -> None:
    """A database ahead of this build does not."""
    await records.connection.execute("INSERT INTO schema_migrations (version, name, sha256) VALUES (9999, 'new', '')")
    assert await ready(client) == told()


async def test_ready_says_when_it_stops(client: Client) -> None:
    """A worker that is being stopped is unready, and alive."""
    client.app[keys.HEALTH].stopping = True
    assert await ready(client) == told(serving="stopping")
    assert (await client.get("/ping")).status == 200


async def test_a_database_that_is_cut_off(config: Config, proxy: Proxy, aiohttp_client: AppClient) -> None:
    """Without its database it is unready in a few fixed words, and alive."""
    client = await on(config, proxy.url, aiohttp_client)
    assert await ready(client) == told()
    await proxy.cut()
    assert await ready(client) == (503, {"status": "unavailable", "checks": AWAY})
    assert (await client.get("/ping")).status == 200


async def test_a_database_that_never_answers(config: Config, aiohttp_client: AppClient) -> None:
    """A listener that takes connections and says nothing holds up neither /ready for long nor /ping at all."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"postgresql://someone@127.0.0.1:{hole.getsockname()[1]}/nothing"
        client = await on(config, url, aiohttp_client)
        asked = asyncio.gather(*(ready(client) for _ in range(20)))
        assert [(await client.get("/ping")).status for _ in range(5)] == [200] * 5
        assert not asked.done()
        never_met = AWAY | {"serving": "registry not loaded"}
        assert await asked == [(503, {"status": "unavailable", "checks": never_met})] * 20


async def test_a_pool_that_is_used_up(client: Client, config: Config, records: Records) -> None:
    """With every connection held by a slow statement it is unready for that while, within its two seconds."""
    await records.connection.execute("BEGIN; LOCK TABLE schema_migrations")
    answers = await asyncio.gather(*(ready(client) for _ in range(config.database.pool_size + 4)))
    assert answers == [(503, {"status": "unavailable", "checks": AWAY})] * len(answers)
    await records.connection.execute("ROLLBACK")
    assert await ready(client) == told()
