"""Structured logs without secrets: one line per event, as JSON or in a readable form."""

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import IO, Self

import orjson
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from service.observability.request_log import DirectRequestLog
from service.observability.secrets import REDACTED, clip, is_sensitive, plain
from service.observability.sink import LogSink

_FIELD_LIMIT = 8 * 1024
_EXCEPTION_LIMIT = 32 * 1024
_FRAMES = 30
_DEPTH = 3
_BREADTH = 64

# Control characters, and the Unicode separators that some readers treat as line breaks.
_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_UNPRINTABLE_IN_BLOCK = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")

_Render = Callable[[EventDict], bytes]


class Logs:
    """The log output of a process. `requests` writes request lines to it; structlog events go to it too."""

    def __init__(self, sink: LogSink, requests: DirectRequestLog) -> None:
        self._sink = sink
        self.requests = requests

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def write_block(self, lines: Sequence[str]) -> None:
        """Write lines for a person, after the queued lines and without the removal of secrets."""
        self._sink.write("".join(f"{line}\n" for line in lines).encode())

    def close(self) -> None:
        """Write the queued lines, waiting at most 2 seconds. Later lines are discarded."""
        self._sink.close()


def configure(
    level: str,
    format: str,  # noqa: A002  # the setting's name
    stream: IO[bytes] | IO[str] | int | None = None,
) -> Logs:
    """Send the log events of structlog and the standard library to `stream`. Call it once in each process.

    `level` is the lowest level that is logged. `format` is `json` (one object per line), `console` (readable, coloured
    on a terminal unless NO_COLOR is set), or `auto` (console on a terminal, json elsewhere). `stream` is an open file
    or a file descriptor, by default standard output. Close the returned `Logs` when the process ends.

    A second call replaces the configuration and closes its sink. Loggers that were already used follow it, except for
    their level. Raises `ValueError` for an unknown level or format.
    """
    if format not in {"auto", "json", "console"}:
        raise ValueError(f"unknown log format: {format}")
    threshold = logging.getLevelNamesMapping().get(level.upper())
    if threshold is None:
        raise ValueError(f"unknown log level: {level}")
    file = sys.stdout if stream is None else stream
    fd = file if isinstance(file, int) else file.fileno()
    terminal = os.isatty(fd)
    console = format == "console" or (format == "auto" and terminal)
    render = _console_renderer(colors=terminal and not os.environ.get("NO_COLOR")) if console else _json
    sink = LogSink(fd, lambda dropped: _own_event(render, "log-lines-dropped", count=dropped))
    _configure_structlog(threshold, sink, render)
    _configure_logging(threshold, sink)
    return Logs(sink, DirectRequestLog(sink, render, threshold))


def _configure_structlog(threshold: int, sink: LogSink, render: _Render) -> None:
    # Cached loggers keep a reference to this list. Changing it in place redirects them to the new sink.
    processors = structlog.get_config()["processors"]
    processors[:] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _add_timestamp,
        structlog.processors.ExceptionRenderer(_traceback),
        _emitter(sink, render),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _configure_logging(threshold: int, sink: LogSink) -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Relay)]:
        root.removeHandler(handler)
        handler.close()
    root.addHandler(_Relay(sink))
    root.setLevel(threshold)
    logging.captureWarnings(capture=True)


class _Relay(logging.Handler):
    """Passes log records of libraries to structlog, so that they are cleaned and formatted like other events."""

    def __init__(self, sink: LogSink) -> None:
        super().__init__()
        self._sink = sink
        self._log = structlog.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = record.getMessage()
        except Exception:  # noqa: BLE001  # the arguments may not match the format string
            event = str(record.msg)
        level = min(record.levelno // 10 * 10, logging.CRITICAL)
        fields = {"exc_info": record.exc_info} if record.exc_info else {}
        self._log.log(level, event, logger=record.name, **fields)

    def close(self) -> None:
        self._sink.close()
        super().close()


def _add_timestamp(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    # orjson serializes a datetime five times faster than structlog's TimeStamper formats one.
    fields["timestamp"] = datetime.now(UTC)
    return fields


def _emitter(sink: LogSink, render: _Render) -> Processor:
    def emit(_logger: WrappedLogger, _method: str, fields: EventDict) -> str:
        try:
            line = render(_clean(fields))
        except Exception as error:  # noqa: BLE001  # logging must not raise
            line = _own_event(render, "log-line-failed", error=type(error).__name__)
        sink.write(line)
        return ""

    return emit


def _own_event(render: _Render, event: str, **fields: object) -> bytes:
    return render({"timestamp": datetime.now(UTC), "level": "warning", "event": event, **fields})


def _clean(fields: EventDict) -> EventDict:
    """The fields without secrets. A field that is None is left out."""
    line: EventDict = {name: fields.pop(name) for name in ("timestamp", "level")}
    line["event"] = _plain(fields.pop("event"))
    if "exception" in fields:
        line["exception"] = clip(str(fields.pop("exception")), _EXCEPTION_LIMIT)
    for name, value in fields.items():
        if value is None:
            continue
        if is_sensitive(name):
            line[name] = REDACTED
        else:
            line[name] = clip(value, _FIELD_LIMIT) if type(value) is str else _plain(value)
    return line


def _plain(value: object) -> object:
    return plain(value, limit=_FIELD_LIMIT, depth=_DEPTH, breadth=_BREADTH)


def _traceback(exc_info: ExcInfo) -> str:
    return "".join(traceback.TracebackException(*exc_info, limit=-_FRAMES).format()).rstrip()


def _json(fields: EventDict) -> bytes:
    line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
    if line.isascii():
        return line
    return _UNPRINTABLE_IN_BLOCK.sub(_escape, line.decode()).encode()


def _console_renderer(*, colors: bool) -> _Render:
    renderer = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)

    def render(fields: EventDict) -> bytes:
        printable = {name: _printable(name, value) for name, value in fields.items()}
        printable["timestamp"] = fields["timestamp"].isoformat(timespec="milliseconds")
        return f"{renderer(None, '', printable)}\n".encode()

    return render


def _printable(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    return (_UNPRINTABLE_IN_BLOCK if name == "exception" else _UNPRINTABLE).sub(_escape, value)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
