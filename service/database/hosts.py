"""Connect to PostgreSQL at a URL with several hosts. All hosts are tried at once.

If they were tried in turn, one host that accepts connections but does not respond could use up the whole timeout.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from service.database.errors import DRIVER_ERRORS

Attempt = asyncio.Task[asyncpg.Connection]


async def connect_to_any(url: str, **settings: Any) -> asyncpg.Connection:
    """Return a connection to the host of `url` that first accepts one and matches its `target_session_attrs`.

    `settings` are keyword arguments of `asyncpg.connect`. `timeout`, in seconds, limits the attempts, which run at
    the same time. Raises driver errors.
    """
    hosts = split_hosts(url)
    if len(hosts) == 1:
        return await asyncpg.connect(url, **settings)
    attempts = [asyncio.create_task(asyncpg.connect(host, **settings)) for host in hosts]
    chosen = None
    try:
        chosen = await _first_connected(attempts)
        return chosen
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(lambda ended: _close_unused(ended, chosen))


def split_hosts(url: str) -> list[str]:
    """Return one URL for each host in the authority part of `url`."""
    parts = urlsplit(url)
    account, at, hosts = parts.netloc.rpartition("@")
    names = hosts.split(",")
    # With one host, or the host in the query string, keep the URL: rebuilding it would drop the empty authority.
    return [parts._replace(netloc=f"{account}{at}{name}").geturl() for name in names] if len(names) > 1 else [url]


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
