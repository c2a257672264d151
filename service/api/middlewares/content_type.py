"""Whether the params can be read at all: refuses with `invalid-content-type`."""

from email.message import Message
from functools import lru_cache

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.api import keys
from service.domain.statuses import InvalidContentType

PLAIN = "application/json"
ENCODED = "text/plain"  # the JSON is base64 encoded: how sensitive params are sent


@web.middleware
async def content_type(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let through JSON in UTF-8, plain or base64 encoded, in no other coding."""
    headers = request.headers
    content_types = headers.getall(hdrs.CONTENT_TYPE, ())
    codings = headers.getall(hdrs.CONTENT_ENCODING, ())
    if len(content_types) != 1 or any(coding.strip().lower() != "identity" for coding in codings):
        raise InvalidContentType
    media_type = _media_type(content_types[0])
    if media_type is None:
        raise InvalidContentType
    request[keys.ENCODED] = media_type == ENCODED
    return await handler(request)


# Callers send a handful of different headers, and taking one apart costs more than all else in this middleware.
@lru_cache(maxsize=64)
def _media_type(header: str) -> str | None:
    """The media type of a Content-Type header, if it is one of ours and in UTF-8."""
    # The mail's parser fails on some of what is not ASCII, and there is no such media type or charset.
    if not header.isascii():
        return None
    message = Message()
    message["Content-Type"] = header
    # Not the message's own idea of it: to a mail, a type that cannot be read is text/plain.
    media_type = header.partition(";")[0].strip().lower()
    charsets = [value for name, value in message.get_params(()) if name.lower() == "charset"]
    # A `charset*=` comes as a tuple: it is none of ours either.
    in_utf8 = all(str(charset).lower() in ("utf-8", "utf8") for charset in charsets)
    return media_type if media_type in (PLAIN, ENCODED) and in_utf8 else None
