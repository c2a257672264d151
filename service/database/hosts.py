"""Reaching PostgreSQL at an address that names several hosts: all of them at once.

One after another, a host that takes connections and says nothing would use up the time there is for all of them.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from service.database.errors import DRIVER_ERRORS

Attempt = asyncio.Task[asyncpg.Connection]


async def connect_to_any(url: str, **settings: Any) -> asyncpg.Connection:
    """A connection to the first host of `url` that is as its `target_session_attrs` wants it.

    `settings` are those of `asyncpg.connect`, whose `timeout` is for all of it. Raises the driver's errors.
    """
    hosts = hosts_of(url)
    if len(hosts) == 1:
        return await asyncpg.connect(url, **settings)
    attempts = [asyncio.create_task(asyncpg.connect(host, **settings)) for host in hosts]
    chosen = None
    try:
        chosen = await _first(attempts)
        return chosen
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(lambda ended: _drop(ended, chosen))


def hosts_of(url: str) -> list[str]:
    """The addresses of the single hosts that `url` names before its path."""
    parts = urlsplit(url)
    account, at, hosts = parts.netloc.rpartition("@")
    names = hosts.split(",")
    # One that names its host in the query must stay as it is: put together anew, it would lose its empty host.
    return [parts._replace(netloc=f"{account}{at}{name}").geturl() for name in names] if len(names) > 1 else [url]


async def _first(attempts: Sequence[Attempt]) -> asyncpg.Connection:
    errors: list[BaseException] = []
    for attempt in asyncio.as_completed(attempts):
        try:
            return await attempt
        except DRIVER_ERRORS as error:
            errors.append(error)
    # What a server says tells more than that another cannot be reached.
    raise next((error for error in errors if isinstance(error, asyncpg.PostgresError)), errors[-1])


def _drop(ended: Attempt, chosen: asyncpg.Connection | None) -> None:
    """Close the connection of a host that was second, and let no error go unheard that nobody asks for."""
    if not ended.cancelled() and ended.exception() is None and ended.result() is not chosen:
        ended.result().terminate()
