"""The steps that a request goes through, in their order: the first is the outermost."""

from functools import partial

from aiohttp.typedefs import Handler

from service.api.middlewares.authentication import authentication
from service.api.middlewares.content_type import content_type
from service.api.middlewares.decoding import decoding
from service.api.middlewares.error_boundary import error_boundary
from service.api.middlewares.request_context import request_context
from service.api.middlewares.route_lookup import route_lookup

# Around everything that is answered.
OUTER = (request_context, error_boundary)

# Around what needs a caller. What an earlier one refuses, a later one never sees.
GUARDED = (content_type, decoding, route_lookup, authentication)


def guarded(handler: Handler) -> Handler:
    """`handler` behind the steps of `GUARDED`."""
    for step in reversed(GUARDED):
        handler = partial(step, handler=handler)
    return handler
