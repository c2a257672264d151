"""Decode the body into params.

Refuses with `invalid-param` on `body`, `invalid-encoded-params` or `no-params-decoded`.
"""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler

from service.api import keys
from service.domain.json_body import decode_base64, decode_params
from service.domain.statuses import InvalidEncodedParams, InvalidParam, ParamError


@web.middleware
async def decoding(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the body, decode base64 if the content type says so, and put the params into the request."""
    body = await _read(request)
    request[keys.PARAMS] = decode_params(decode_base64(body) if request[keys.ENCODED] else body)
    return await handler(request)


async def _read(request: web.Request) -> bytes:
    """The body, within the limits of size and time. A Content-Length over the limit is refused without reading."""
    limits = request.app[keys.CONFIG].server
    if (request.content_length or 0) > limits.max_body_bytes:
        raise _too_long(limits.max_body_bytes)
    try:
        if request.content.is_eof():
            # The whole body arrived together with the headers.
            body = request.content.read_nowait()
        else:
            async with asyncio.timeout(limits.body_timeout_seconds):
                body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_long(limits.max_body_bytes) from None
    # The body timed out, or the connection was closed. aiohttp raises RuntimeError if it was closed earlier.
    except (OSError, RuntimeError):
        raise InvalidEncodedParams from None
    if len(body) > limits.max_body_bytes:
        raise _too_long(limits.max_body_bytes)
    return body


def _too_long(max_bytes: int) -> InvalidParam:
    return InvalidParam(ParamError("body", f"must be at most {max_bytes} bytes long"))
