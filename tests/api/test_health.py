"""/ping and /ready: whether the process is alive, and whether it can serve."""

import asyncio
import socket

import pytest

from service.api import keys
from service.api.app import create_app
from service.config import Config
from service.domain.statuses import RouteNonExistent
from tests.api.conftest import with_database
from tests.api.exchange import read_envelope, refusal
from tests.conftest import AppClient, Client
from tests.factories import Records
from tests.proxy import Proxy

OK = {"database": "ok", "migrations": "ok", "serving": "ok"}
NO_DATABASE = {"database": "no answer", "migrations": "unknown", "serving": "ok"}


def expected_ready(**checks: str) -> tuple[int, dict[str, object]]:
    """The expected response of /ready when `checks` are not ok."""
    if checks:
        return 503, {"status": "unavailable", "checks": OK | checks}
    return 200, {"status": "ok", "checks": OK}


async def ready(client: Client) -> tuple[int, dict[str, object]]:
    """The response of /ready, which must come within two seconds."""
    async with asyncio.timeout(2):
        response = await client.get("/ready")
        return response.status, await response.json()


async def client_on(config: Config, url: str, aiohttp_client: AppClient) -> Client:
    """A client of the service on another database."""
    return await aiohttp_client(create_app(with_database(config, url)))


async def test_ping(client: Client) -> None:
    """/ping answers 200 and must not be cached."""
    response = await client.get("/ping")
    assert (response.status, await response.json()) == (200, {"status": "ok"})
    assert response.headers["Cache-Control"] == "no-store"


async def test_ready(client: Client) -> None:
    """/ready answers 200 with a migrated database."""
    assert await ready(client) == expected_ready()
    assert (await client.get("/ready")).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/ping", "/ready"])
async def test_head(client: Client, path: str) -> None:
    """HEAD has the headers of GET and no body."""
    response = await client.head(path)
    assert (response.status, await response.read()) == (200, b"")
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/ping", "/ready"])
async def test_other_methods(client: Client, method: str, path: str) -> None:
    """Any other method is route-non-existent."""
    assert (await read_envelope(await client.request(method, path))).code_and_body == refusal(RouteNonExistent)


async def test_unready_with_a_pending_migration(client: Client, records: Records) -> None:
    """A migration that the database lacks makes the worker unready."""
    await records.connection.execute("DELETE FROM schema_migrations WHERE version = 2")
    assert await ready(client) == expected_ready(migrations="pending")


async def test_ready_with_a_newer_migration(client: Client, records: Records) -> None:
    """A migration that this build does not know leaves the worker ready."""
    await records.connection.execute("INSERT INTO schema_migrations (version, name, sha256) VALUES (9999, 'new', '')")
    assert await ready(client) == expected_ready()


async def test_unready_while_stopping(client: Client) -> None:
    """A worker that is stopping is unready, and still answers /ping."""
    client.app[keys.READINESS].stopping = True
    assert await ready(client) == expected_ready(serving="stopping")
    assert (await client.get("/ping")).status == 200


async def test_a_database_that_is_cut_off(config: Config, proxy: Proxy, aiohttp_client: AppClient) -> None:
    """Without its database the worker is unready, names no cause, and still answers /ping."""
    client = await client_on(config, proxy.url, aiohttp_client)
    assert await ready(client) == expected_ready()
    await proxy.cut()
    assert await ready(client) == (503, {"status": "unavailable", "checks": NO_DATABASE})
    assert (await client.get("/ping")).status == 200


async def test_a_database_that_never_answers(config: Config, aiohttp_client: AppClient) -> None:
    """A database that accepts connections and never answers delays /ready at most two seconds, and /ping not at all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"postgresql://someone@127.0.0.1:{listener.getsockname()[1]}/nothing"
        client = await client_on(config, url, aiohttp_client)
        pending = asyncio.gather(*(ready(client) for _ in range(20)))
        assert [(await client.get("/ping")).status for _ in range(5)] == [200] * 5
        assert not pending.done()
        not_loaded = NO_DATABASE | {"serving": "registry not loaded"}
        assert await pending == [(503, {"status": "unavailable", "checks": not_loaded})] * 20


async def test_an_exhausted_pool(client: Client, config: Config, records: Records) -> None:
    """While slow statements hold every connection the worker is unready, within two seconds."""
    await records.connection.execute("BEGIN; LOCK TABLE schema_migrations")
    responses = await asyncio.gather(*(ready(client) for _ in range(config.database.pool_size + 4)))
    assert responses == [(503, {"status": "unavailable", "checks": NO_DATABASE})] * len(responses)
    await records.connection.execute("ROLLBACK")
    assert await ready(client) == expected_ready()
