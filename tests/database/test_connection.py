"""Socket options and server settings of a connection."""

import asyncio
import socket
from dataclasses import replace

import pytest

from service.config import Config
from service.database.connection import KEEPALIVE_IDLE_SECONDS, connect
from service.database.errors import DatabaseUnusable, NotConnected
from tests.proxy import proxied


async def test_keepalive(config: Config, database_url: str) -> None:
    """A TCP connection has keepalive, and a limit on unacknowledged data."""
    async with proxied(database_url) as proxy:
        connection = await connect(config.database, proxy.url, "test")
        try:
            sock = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # noqa: SLF001
            with socket.fromfd(sock.fileno(), sock.family, sock.type) as duplicate:
                assert duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert duplicate.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == KEEPALIVE_IDLE_SECONDS
                assert duplicate.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) > KEEPALIVE_IDLE_SECONDS * 1000
        finally:
            connection.terminate()


async def test_server_settings(config: Config, database_url: str) -> None:
    """The timeouts, the application name and jit are set on the server."""
    settings = replace(config.database, lock_timeout_seconds=0.5, statement_timeout_seconds=1.5)
    connection = await connect(settings, database_url, "a test")
    try:
        names = ("lock_timeout", "statement_timeout", "application_name", "jit")
        values = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]
        assert values == ["500ms", "1500ms", "a test", "off"]
    finally:
        connection.terminate()


async def test_keepalive_of_the_url(config: Config, database_url: str) -> None:
    """Settings of TCP in the URL replace ours."""
    async with proxied(database_url) as proxy:
        query = "keepalives=0&keepalives_idle=41&keepalives_interval=7&keepalives_count=2&tcp_user_timeout=9000"
        connection = await connect(config.database, f"{proxy.url}?{query}", "test")
        try:
            sock = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # noqa: SLF001
            with socket.fromfd(sock.fileno(), sock.family, sock.type) as duplicate:
                assert duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
                names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
                found = [duplicate.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names]
                assert found == [41, 7, 2, 9000]
        finally:
            connection.terminate()


async def test_connect_timeout_of_the_url(config: Config) -> None:
    """`connect_timeout` in the URL can shorten ours, but not lengthen it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d"
        clock = asyncio.get_running_loop().time
        for ours, query in ((30.0, "?connect_timeout=1"), (0.2, "?connect_timeout=30")):
            started = clock()
            with pytest.raises(NotConnected):
                await connect(replace(config.database, connect_timeout_seconds=ours), url + query, "test")
            assert clock() - started < 10


@pytest.mark.parametrize("query", ["pgbouncer=true", "sslrootcert=/nowhere"])
async def test_an_unusable_url(config: Config, query: str) -> None:
    """A URL that became unusable after the start is reported as such: retrying does not help."""
    with pytest.raises(DatabaseUnusable, match=r"database\.url: "):
        await connect(config.database, f"postgresql://u@127.0.0.1:1/d?{query}", "test")


@pytest.mark.parametrize(("name", "value"), [("PGPORT", "abc"), ("PGSSLMODE", "maybe"), ("PGPORT", "1,2")])
async def test_an_unusable_environment(config: Config, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A wrong variable of libpq in the environment is an error of one line."""
    monkeypatch.setenv(name, value)
    with pytest.raises(DatabaseUnusable) as error:
        await connect(config.database, "postgresql://u@127.0.0.1/d", "test")
    assert "\n" not in str(error.value)
