"""A connection to PostgreSQL: each step has a time limit, and the server is the first to give up."""

import socket
from collections.abc import Mapping
from typing import Any

import asyncpg

from service.config import DatabaseConfig
from service.database.errors import translate_connect_errors
from service.database.hosts import connect_to_any

# How much later than the server the client gives up: only a server that says nothing at all is left to the client.
CLIENT_GRACE_SECONDS = 1.0

# A server that is gone without a word is noticed after this long, also where nobody waits for an answer of it.
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 10, 5, 3


async def connect(
    settings: DatabaseConfig,
    url: str,
    application_name: str,
    *,
    statement_timeout_seconds: float | None = None,
    planning: Mapping[str, str] | None = None,
) -> asyncpg.Connection:
    """A connection of its own, closed by the caller; a statement timeout of 0 is none.

    `planning` are the server's settings for how it plans. Raises `NotConnected`, or its kind `DatabaseUnusable` when
    trying again will not help.
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
        # Every statement is short and runs thousands of times a second: compiling one never pays.
        "jit": "off",
    }


def _keep_alive(connection: asyncpg.Connection) -> None:
    """Have the system probe an idle connection, and give up one whose server acknowledges nothing."""
    driver: Any = connection  # it has no public way to its socket
    link = driver._transport.get_extra_info("socket")  # noqa: SLF001
    if link.family == socket.AF_UNIX:
        return
    # The event loop's idea of a socket takes no options: a copy of the descriptor is the same socket.
    with socket.fromfd(link.fileno(), link.family, link.type) as copy:
        _set_options(copy)


def _set_options(link: socket.socket) -> None:
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    patience_seconds = KEEPALIVE_IDLE_SECONDS + KEEPALIVE_INTERVAL_SECONDS * KEEPALIVE_PROBES
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", patience_seconds * 1000),
    ):
        if hasattr(socket, name):  # not every system has all of them
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _milliseconds(seconds: float) -> str:
    # To PostgreSQL 0 is no limit at all: the shortest one is a millisecond.
    return str(max(1, round(seconds * 1000))) if seconds else "0"
