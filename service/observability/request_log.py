"""Request logging: one line per request."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from service.observability.sink import LogSink

Fields = dict[str, Any]


class RequestLog(Protocol):
    """Writes one request line. A `quiet` one is logged at level debug, others at info."""

    def __call__(self, fields: Fields, *, quiet: bool) -> None:
        """Log `fields`. The caller has removed secrets from them."""


def log_by_structlog(fields: Fields, *, quiet: bool) -> None:
    """Log a request like any other structlog event."""
    log = structlog.get_logger()
    (log.debug if quiet else log.info)("request", **fields)


class DirectRequestLog:
    """Writes request lines to the sink without structlog's processors, whose cleaning they do not need.

    The processors took a twelfth of a request's processor time.
    """

    def __init__(self, sink: LogSink, render: Callable[[Fields], bytes], level: int) -> None:
        """`level` is the lowest level that is logged, as a number of the standard library."""
        self._sink = sink
        self._render = render
        self._level = level

    def __call__(self, fields: Fields, *, quiet: bool) -> None:
        """Log `fields` as the event `request`. A field that is None is left out."""
        if self._level > (logging.DEBUG if quiet else logging.INFO):
            return
        level = "debug" if quiet else "info"
        present = {name: value for name, value in fields.items() if value is not None}
        self._sink.write(self._render({"timestamp": datetime.now(UTC), "level": level, "event": "request", **present}))
