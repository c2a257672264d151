"""Opening a PostgreSQL connection. Each step has a timeout, and the server's timeouts expire before the client's."""

import socket
from collections.abc import Mapping
from typing import Any

import asyncpg

from service.config import DatabaseConfig
from service.database.errors import translate_connect_errors
from service.database.hosts import connect_to_any

# Added to the server's timeouts for the client's own: the client's matter only if the server does not respond at all.
CLIENT_GRACE_SECONDS = 1.0

# TCP keepalive, in seconds and probes: detects a dead server even on connections that are idle or only LISTEN.
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 10, 5, 3


async def connect(
    settings: DatabaseConfig,
    url: str,
    application_name: str,
    *,
    statement_timeout_seconds: float | None = None,
    planning: Mapping[str, str] | None = None,
) -> asyncpg.Connection:
    """Open a connection. The caller closes it.

    `statement_timeout_seconds` overrides the configured timeout; 0 means no timeout. `planning` holds PostgreSQL
    planner settings for this connection. Raises `NotConnected`, or its subclass `DatabaseUnusable` if retrying does
    not help.
    """
    seconds = settings.statement_timeout_seconds if statement_timeout_seconds is None else statement_timeout_seconds
    with translate_connect_errors():
        connection = await connect_to_any(
            url,
            timeout=settings.connect_timeout_seconds,
            command_timeout=seconds + CLIENT_GRACE_SECONDS if seconds else None,
            server_settings=_server_settings(settings, application_name, seconds) | dict(planning or {}),
        )
    _keep_alive(connection)
    return connection


def _server_settings(settings: DatabaseConfig, application_name: str, statement_seconds: float) -> dict[str, str]:
    return {
        "application_name": application_name,
        "statement_timeout": _milliseconds(statement_seconds),
        "lock_timeout": _milliseconds(settings.lock_timeout_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(statement_seconds),
        # Statements are short and frequent: compiling one takes longer than it saves.
        "jit": "off",
    }


def _keep_alive(connection: asyncpg.Connection) -> None:
    """Enable TCP keepalive, and a limit on how long sent data may stay unacknowledged."""
    driver: Any = connection  # asyncpg has no public access to its socket
    sock = driver._transport.get_extra_info("socket")  # noqa: SLF001
    if sock.family == socket.AF_UNIX:
        return
    # uvloop's socket object refuses setsockopt. A duplicate of the descriptor refers to the same socket.
    with socket.fromfd(sock.fileno(), sock.family, sock.type) as duplicate:
        _set_options(duplicate)


def _set_options(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    limit_seconds = KEEPALIVE_IDLE_SECONDS + KEEPALIVE_INTERVAL_SECONDS * KEEPALIVE_PROBES
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", limit_seconds * 1000),
    ):
        if hasattr(socket, name):  # not all of them exist on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _milliseconds(seconds: float) -> str:
    # PostgreSQL takes 0 as "no timeout", so a shorter timeout than one millisecond is rounded up.
    return str(max(1, round(seconds * 1000))) if seconds else "0"
