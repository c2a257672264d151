"""The middlewares of a request, in their order: the first is the outermost."""

from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from service.api import keys
from service.api.action import Action
from service.api.middlewares.authentication import authentication
from service.api.middlewares.content_type import content_type
from service.api.middlewares.decoding import decoding
from service.api.middlewares.error_boundary import error_boundary
from service.api.middlewares.request_context import request_context
from service.api.middlewares.route_lookup import route_lookup

# For every request.
OUTER = (request_context, error_boundary)

# For every action. A request that one of them refuses does not reach the next.
PIPELINE = (content_type, decoding, route_lookup, authentication)


def through_pipeline(action: Action) -> Handler:
    """The handler of `action`, behind the middlewares of `PIPELINE`."""
    handler = action.handler
    for middleware in reversed(PIPELINE):
        handler = partial(middleware, handler=handler)

    async def run(request: web.Request) -> web.StreamResponse:
        request[keys.ACTION] = action
        return await handler(request)

    return run
