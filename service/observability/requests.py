"""The one line that each request gets in the log."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from service.observability.sink import LogSink

Fields = dict[str, Any]


class RequestLog(Protocol):
    """Writes a request's line; a `quiet` one only where everything is logged."""

    def __call__(self, fields: Fields, *, quiet: bool) -> None:
        """Write `fields`: words and numbers of our own, and what is clean of secrets."""


def log_by_structlog(fields: Fields, *, quiet: bool) -> None:
    """Write a request's line as any other event."""
    log = structlog.get_logger()
    (log.debug if quiet else log.info)("request", **fields)


class DirectRequestLog:
    """Writes a request's line straight to the sink: what is our own word needs none of the cleaning of other events.

    That chain took a twelfth of all the processor time of a request.
    """

    def __init__(self, sink: LogSink, render: Callable[[Fields], bytes], level: int) -> None:
        """`level` is the least that is logged."""
        self._sink = sink
        self._render = render
        self._level = level

    def __call__(self, fields: Fields, *, quiet: bool) -> None:
        """Write `fields` as the event `request`."""
        if self._level > (logging.DEBUG if quiet else logging.INFO):
            return
        level = "debug" if quiet else "info"
        told = {"timestamp": datetime.now(UTC), "level": level, "event": "request", **fields}
        self._sink.write(self._render(told))
