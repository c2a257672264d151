"""Connecting to a URL with several hosts."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from service.config.database_url import DatabaseUrl, parse_database_url
from service.database.hosts import connect_to_any
from tests.proxy import proxied

DEAD = "127.0.0.1:1"


@pytest.fixture
async def address(database_url: str) -> AsyncIterator[str]:
    """The URL of the database over TCP."""
    async with proxied(database_url) as proxy:
        yield proxy.url


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def with_hosts(address: str, *others: str, path: str | None = None, query: str = "") -> DatabaseUrl:
    """A parsed URL that names the hosts of `others` before the host of `address`."""
    parts = urlsplit(address)
    account, _, host = parts.netloc.rpartition("@")
    netloc = f"{account}@{','.join([*others, host])}"
    return parse_database_url(parts._replace(netloc=netloc, path=path or parts.path, query=query).geturl())


async def test_a_silent_host_does_not_delay(address: str, silent: str) -> None:
    """The server is reached without waiting for the silent and the dead host named before it."""
    async with asyncio.timeout(5):
        connection = await connect_to_any(with_hosts(address, silent, DEAD), timeout=60)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_only_one_connection_is_kept(address: str, connection: asyncpg.Connection) -> None:
    """If several hosts accept, all connections but one are closed."""
    first = urlsplit(address).netloc.rpartition("@")[2]
    settings = {"server_settings": {"application_name": "raced"}}
    kept = await connect_to_any(with_hosts(address, first, first), **settings)
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'raced'"
    async with asyncio.timeout(5):
        while await connection.fetchval(count) != 1:
            await asyncio.sleep(0.01)
    assert await kept.fetchval("SELECT 1") == 1
    await kept.close()


async def test_no_host_is_writable(address: str, connection: asyncpg.Connection) -> None:
    """If no host matches target_session_attrs, the driver's error for that is raised."""
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
        await connect_to_any(with_hosts(address, DEAD, query="target_session_attrs=read-write"))


async def test_a_server_error_takes_precedence(address: str) -> None:
    """A server's error is raised rather than the connection error of another host."""
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await connect_to_any(with_hosts(address, DEAD, path="/nothing"))


async def test_no_host_responds(silent: str) -> None:
    """If no host responds, the timeout applies."""
    with pytest.raises(TimeoutError):
        await connect_to_any(parse_database_url(f"postgresql://someone@{silent},{silent}/nothing"), timeout=0.1)
