"""An answer that goes out in one piece."""

import time
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from wsgiref.handlers import format_date_time

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import BaseRequest


class BufferedResponse(web.Response):
    """A response whose head and body are known: in the usual case they are written at once.

    Usual is a request of HTTP/1.1 whose connection stays open. Everything else is left to aiohttp, whose way through
    its many kinds of responses takes twice as long.
    """

    _written = False

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Write all of it, or what aiohttp writes of it now."""
        usual = (
            self.keep_alive is None
            and request.keep_alive
            and request.version == HttpVersion11
            and request.method != "HEAD"
        )
        if not usual or self.prepared:
            return await super().prepare(request)
        assert isinstance(self.body, bytes)  # noqa: S101 - as it was made
        self._written, self._keep_alive = True, True
        await request.writer.write(_head(self.status, self.headers, len(self.body)) + self.body)
        await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Write what is left of it."""
        if not self._written:
            await super().write_eof(data)


def _head(status: int, headers: Mapping[str, str], length: int) -> bytes:
    lines = [
        _status_line(status),
        *[f"{name}: {value}" for name, value in headers.items()],
        f"Date: {_date(int(time.time()))}\r\nContent-Length: {length}\r\n\r\n",
    ]
    return "\r\n".join(lines).encode("ascii")


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return format_date_time(second)
