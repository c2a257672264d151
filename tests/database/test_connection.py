"""A connection to PostgreSQL: what the system and the server are told about it."""

import socket
from dataclasses import replace

from service.config import Config
from service.database.connection import KEEPALIVE_IDLE_SECONDS, connect
from tests.proxy import proxied


async def test_a_silent_server_is_noticed(config: Config, database_url: str) -> None:
    """Over TCP the system probes an idle connection, and gives up one whose server acknowledges nothing."""
    async with proxied(database_url) as proxy:
        connection = await connect(config.database, proxy.url, "test")
        try:
            link = connection._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # noqa: SLF001
            with socket.fromfd(link.fileno(), link.family, link.type) as copy:
                assert copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == KEEPALIVE_IDLE_SECONDS
                assert copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) > KEEPALIVE_IDLE_SECONDS * 1000
        finally:
            connection.terminate()


async def test_the_server_decides_first(config: Config, database_url: str) -> None:
    """The server gives up waiting for a lock, and running a statement, by itself; it knows who connects."""
    settings = replace(config.database, lock_timeout_seconds=0.5, statement_timeout_seconds=1.5)
    connection = await connect(settings, database_url, "somebody")
    try:
        names = ("lock_timeout", "statement_timeout", "application_name", "jit")
        told = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]
        assert told == ["500ms", "1500ms", "somebody", "off"]
    finally:
        connection.terminate()
