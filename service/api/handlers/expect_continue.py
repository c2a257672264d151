"""What becomes of the `Expect` header."""

import contextlib

from aiohttp import HttpVersion11, web


async def invite_body(request: web.Request) -> None:
    """Ask a caller that waits for it to send the body. Any other expectation is left unmet (RFC 9110, 10.1.1)."""
    if request.headers["Expect"].lower() == "100-continue" and request.version >= HttpVersion11:
        # Who is gone by now wants no body to be asked for.
        with contextlib.suppress(ConnectionError):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What was written is no part of the answer yet: a failure can still be told in full.
        request.writer.output_size = 0
