"""From the body to params: refuses with `invalid-param` on the body, `invalid-encoded-params`, `no-params-decoded`."""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler

from service.api import keys
from service.domain.json_body import decode_base64, decode_params
from service.domain.statuses import InvalidEncodedParams, InvalidParam, ParamError


@web.middleware
async def decoding(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the body, decode base64 where it was sent so, and leave the params in the request."""
    body = await _read(request)
    request[keys.PARAMS] = decode_params(decode_base64(body) if request[keys.ENCODED] else body)
    return await handler(request)


async def _read(request: web.Request) -> bytes:
    """The whole body, if it is within the limits of size and time; one announced too long is not waited for."""
    limits = request.app[keys.CONFIG].server
    if (request.content_length or 0) > limits.max_body_bytes:
        raise _too_long(limits.max_body_bytes)
    try:
        if request.content.is_eof():
            # All of it has come with the head: there is nothing to wait for.
            body = request.content.read_nowait()
        else:
            async with asyncio.timeout(limits.body_timeout_seconds):
                body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_long(limits.max_body_bytes) from None
    # Too slow, or gone before the end, which is told by a RuntimeError where it happened earlier.
    except (OSError, RuntimeError):
        raise InvalidEncodedParams from None
    if len(body) > limits.max_body_bytes:
        raise _too_long(limits.max_body_bytes)
    return body


def _too_long(max_bytes: int) -> InvalidParam:
    return InvalidParam(ParamError("body", f"must be at most {max_bytes} bytes long"))
