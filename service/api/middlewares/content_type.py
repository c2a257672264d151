"""Check the content type and coding of the body: refuses with `invalid-content-type`."""

from email.message import Message
from functools import lru_cache

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.api import keys
from service.domain.statuses import InvalidContentType

JSON = "application/json"
BASE64_JSON = "text/plain"  # JSON, base64 encoded: the form of sensitive params


@web.middleware
async def content_type(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Accept JSON in UTF-8, plain or base64 encoded, without a content coding."""
    headers = request.headers
    content_types = headers.getall(hdrs.CONTENT_TYPE, ())
    codings = headers.getall(hdrs.CONTENT_ENCODING, ())
    if len(content_types) != 1 or any(coding.strip().lower() != "identity" for coding in codings):
        raise InvalidContentType
    media_type = _media_type(content_types[0])
    if media_type is None:
        raise InvalidContentType
    request[keys.ENCODED] = media_type == BASE64_JSON
    return await handler(request)


# Callers send few different headers, and parsing one costs more than the rest of this middleware.
@lru_cache(maxsize=64)
def _media_type(header: str) -> str | None:
    """The media type of a Content-Type header; None unless it is one of the two accepted types, in UTF-8."""
    # The parser fails on some non-ASCII text, and no valid media type or charset contains any.
    if not header.isascii():
        return None
    message = Message()
    message["Content-Type"] = header
    # Not message.get_content_type(): it returns text/plain for a malformed type.
    media_type = header.partition(";")[0].strip().lower()
    charsets = [value for name, value in message.get_params(()) if name.lower() == "charset"]
    # The value of `charset*=` is a tuple, which never matches.
    in_utf8 = all(str(charset).lower() in ("utf-8", "utf8") for charset in charsets)
    return media_type if media_type in (JSON, BASE64_JSON) and in_utf8 else None
