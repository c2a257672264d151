"""Socket options and server settings of a connection."""

import socket
from dataclasses import replace

from service.config import Config
from service.database.connection import KEEPALIVE_IDLE_SECONDS, connect
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
