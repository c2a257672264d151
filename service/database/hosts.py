"""Connect to PostgreSQL at a URL with several hosts. All hosts are tried at once.

If they were tried in turn, one host that accepts connections but does not respond could use up the whole timeout.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import asyncpg

from service.config.database_url import DatabaseUrl
from service.database.errors import DRIVER_ERRORS

Attempt = asyncio.Task[asyncpg.Connection]


async def connect_to_any(url: DatabaseUrl, **settings: Any) -> asyncpg.Connection:
    """Return a connection to the host of `url` that first accepts one and matches its `target_session_attrs`.

    `settings` are keyword arguments of `asyncpg.connect`. `timeout`, in seconds, limits the attempts, which run at
    the same time. Raises driver errors.
    """
    given = {**_arguments(url), **settings}
    if len(url.servers) == 1:
        ((host, port),) = url.servers
        return await asyncpg.connect(host=host, port=port, **given)
    attempts = [asyncio.create_task(asyncpg.connect(host=host, port=port, **given)) for host, port in url.servers]
    chosen = None
    try:
        chosen = await _first_connected(attempts)
        return chosen
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(lambda ended: _close_unused(ended, chosen))


def _arguments(url: DatabaseUrl) -> Mapping[str, Any]:
    """The keyword arguments of `asyncpg.connect`, without host and port."""
    return {
        # The driver reads the parameters of TLS from a URL only.
        "dsn": f"postgresql://?{urlencode(url.tls)}" if url.tls else None,
        "ssl": ssl.create_default_context() if url.system_roots else None,
        "user": url.user,
        "password": url.password,
        "database": url.database,
        "passfile": url.passfile,
        "target_session_attrs": url.target_session_attrs,
        # PostgreSQL itself reads the options, and poolers of hosting services find the database in them.
        "server_settings": {"options": url.options} if url.options else None,
        **url.kerberos,
    }


async def _first_connected(attempts: Sequence[Attempt]) -> asyncpg.Connection:
    errors: list[BaseException] = []
    for attempt in asyncio.as_completed(attempts):
        try:
            return await attempt
        except DRIVER_ERRORS as error:
            errors.append(error)
    # A server's own error is more useful than the connection error of another host.
    raise next((error for error in errors if isinstance(error, asyncpg.PostgresError)), errors[-1])


def _close_unused(ended: Attempt, chosen: asyncpg.Connection | None) -> None:
    """Close a connection that lost the race. Reading the exception keeps asyncio from logging it as unretrieved."""
    if not ended.cancelled() and ended.exception() is None and ended.result() is not chosen:
        ended.result().terminate()
