"""Whether a connection leads to a server that can write."""

import contextlib

import asyncpg

from service.database.errors import NotConnected, translate_connect_errors, translate_statement_errors
from service.database.queries import QUERIES


async def close_if_standby(connection: asyncpg.Connection) -> None:
    """Close the connection and raise `NotConnected` if the server is a standby."""
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(connection.terminate)
        with translate_connect_errors():
            is_standby = await connection.fetchval(QUERIES["is_standby"])
        if is_standby:
            raise NotConnected("the address leads to a standby")
        on_failure.pop_all()


async def is_read_only(connection: asyncpg.Connection) -> bool:
    """Return whether the server refuses to write. Raises a `DatabaseError`."""
    with translate_statement_errors():
        read_only: bool = await connection.fetchval(QUERIES["is_read_only"])
    return read_only
