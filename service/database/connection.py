"""Opening a PostgreSQL connection. Each step has a timeout, and the server's timeouts expire before the client's."""

import contextlib
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import asyncpg

from service.config import DatabaseConfig
from service.config.database_url import DatabaseUrl, Keepalive, Server, parse_database_url
from service.config.libpq_parameters import DatabaseUrlError
from service.database.errors import DatabaseUnusable, translate_connect_errors
from service.database.hosts import connect_to_any
from service.database.session import apply_settings, session_settings
from service.database.timestamps import read_any_timestamp

# Added to the server's timeouts for the client's own: the client's matter only if the server does not respond at all.
CLIENT_GRACE_SECONDS = 1.0

# TCP keepalive, in seconds and probes: detects a dead server even on connections that are idle or only LISTEN.
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 10, 5, 3

# The application names of our connections begin with this, unless the URL names the application.
APPLICATION_NAME = "requirements-service"


async def connect(
    settings: DatabaseConfig,
    url: str,
    application_name: str,
    *,
    statement_timeout_seconds: float | None = None,
    session: Mapping[str, str] | None = None,
    standby: Server | None = None,
) -> asyncpg.Connection:
    """Open a connection with the settings of `session.py`. The caller closes it.

    `statement_timeout_seconds` overrides the configured timeout; 0 means no timeout. `session` holds further PostgreSQL
    settings for this connection. With `standby`, `url` is that of standbys, and the connection leads to this one of its
    servers. Raises `NotConnected`, or its subclass `DatabaseUnusable` if retrying does not help.
    """
    seconds = settings.statement_timeout_seconds if statement_timeout_seconds is None else statement_timeout_seconds
    parsed = _parse(url, standby)
    timeout = min(settings.connect_timeout_seconds, parsed.connect_timeout_seconds or settings.connect_timeout_seconds)
    if parsed.application_name:
        application_name = application_name.replace(APPLICATION_NAME, parsed.application_name)
    with translate_connect_errors(), contextlib.ExitStack() as on_failure:
        try:
            connection = await connect_to_any(
                parsed, timeout=timeout, command_timeout=seconds + CLIENT_GRACE_SECONDS if seconds else None
            )
        except ValueError as error:  # from the environment: PGPORT, PGSSLMODE and others stand in for the URL
            raise DatabaseUnusable(str(error)) from error
        on_failure.callback(connection.terminate)
        _keep_alive(connection, parsed.keepalive)
        version = connection.get_server_version().major
        applied = {**session_settings(settings, seconds, version), "application_name": application_name}
        await connection.execute(apply_settings({**applied, **(session or {})}), timeout=timeout)
        on_failure.pop_all()
    await read_any_timestamp(connection)
    return connection


def _parse(url: str, standby: Server | None) -> DatabaseUrl:
    # For each connection: the service file and the certificates that the URL names may have changed.
    try:
        if standby is None:
            return parse_database_url(url)
        return replace(parse_database_url(url, of_standby=True), servers=(standby,))
    except DatabaseUrlError as error:
        raise DatabaseUnusable(f"database.{'url' if standby is None else 'replica_url'}: {error}") from error


def _keep_alive(connection: asyncpg.Connection, wanted: Keepalive) -> None:
    """Set TCP keepalive, and a limit on how long sent data may stay unacknowledged."""
    driver: Any = connection  # asyncpg has no public access to its socket
    sock = driver._transport.get_extra_info("socket")  # noqa: SLF001 - see above
    if sock.family == socket.AF_UNIX:
        return
    # uvloop's socket object refuses setsockopt. A duplicate of the descriptor refers to the same socket.
    with socket.fromfd(sock.fileno(), sock.family, sock.type) as duplicate:
        _set_options(duplicate, wanted)


def _set_options(sock: socket.socket, wanted: Keepalive) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, wanted.enabled)
    limit_seconds = KEEPALIVE_IDLE_SECONDS + KEEPALIVE_INTERVAL_SECONDS * KEEPALIVE_PROBES
    for name, value in (
        ("TCP_KEEPIDLE", wanted.idle_seconds or KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", wanted.interval_seconds or KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", wanted.probes or KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", wanted.user_timeout_milliseconds or limit_seconds * 1000),
    ):
        if hasattr(socket, name):  # not all of them exist on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
