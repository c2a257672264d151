"""An address of several hosts: whoever can be written to is reached, whatever the others do."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from service.database.hosts import connect_to_any, split_hosts
from tests.proxy import proxied

DEAD = "127.0.0.1:1"


@pytest.fixture
async def address(database_url: str) -> AsyncIterator[str]:
    """The database's address over TCP."""
    async with proxied(database_url) as proxy:
        yield proxy.url


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        yield f"127.0.0.1:{hole.getsockname()[1]}"


def among(address: str, *others: str, query: str = "") -> str:
    """An address that names the hosts of `others` first, and last the one of `address`."""
    parts = urlsplit(address)
    account, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{account}@{','.join([*others, host])}", query=query).geturl()


async def test_a_silent_host_costs_nothing(address: str, silent: str) -> None:
    """The server is reached long before the silent and the dead host before it are given up."""
    async with asyncio.timeout(5):
        connection = await connect_to_any(among(address, silent, DEAD), timeout=60)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_only_one_connection_is_kept(address: str, connection: asyncpg.Connection) -> None:
    """Where several hosts would do, the connections to all but one are closed."""
    first = urlsplit(address).netloc.rpartition("@")[2]
    settings = {"server_settings": {"application_name": "raced"}}
    kept = await connect_to_any(among(address, first, first), **settings)
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'raced'"
    async with asyncio.timeout(5):
        while await connection.fetchval(count) != 1:
            await asyncio.sleep(0.01)
    assert await kept.fetchval("SELECT 1") == 1
    await kept.close()


async def test_nobody_can_be_written_to(address: str, connection: asyncpg.Connection) -> None:
    """With no host as it is wanted, that is the error."""
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
        await connect_to_any(among(address, DEAD, query="target_session_attrs=read-write"))


async def test_what_a_server_says_goes_first(address: str) -> None:
    """A server's own refusal is told, rather than that another host is dead."""
    wrong = urlsplit(among(address, DEAD))._replace(path="/nothing").geturl()
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await connect_to_any(wrong)


async def test_nobody_answers(silent: str) -> None:
    """With all hosts silent, the time that is given ends it."""
    with pytest.raises(TimeoutError):
        await connect_to_any(f"postgresql://someone@{silent},{silent}/nothing", timeout=0.1)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://a:b%2C@x:1,y/z?q=1", ["postgresql://a:b%2C@x:1/z?q=1", "postgresql://a:b%2C@y/z?q=1"]),
        ("postgresql://x,[::1]:5/z", ["postgresql://x/z", "postgresql://[::1]:5/z"]),
        ("postgresql:///z?host=/tmp,/run", ["postgresql:///z?host=/tmp,/run"]),
        ("postgresql://x/z", ["postgresql://x/z"]),
    ],
)
def test_the_split_hosts_an_address(url: str, hosts: list[str]) -> None:
    """Each host has all the rest of the address."""
    assert split_hosts(url) == hosts
