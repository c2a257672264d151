"""Look up the records of the route and its service: refuses with `route-not-found` and `service-not-found`."""

from aiohttp import web
from aiohttp.typedefs import Handler

from service.api import keys
from service.api.route_registry import RegistryNeverLoaded
from service.domain.statuses import IdentifyRequestError, InvalidEncodedParams, RouteNotFound, ServiceNotFound


@web.middleware
async def route_lookup(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a route that is not deployed, and plain params on a route with sensitive params."""
    try:
        registry = request.app[keys.REGISTRY].registry
    except RegistryNeverLoaded as error:
        raise IdentifyRequestError from error
    route = registry.get(request[keys.ACTION].route)
    if route is None or not route.deployed:
        raise RouteNotFound
    if not route.service_deployed:
        raise ServiceNotFound
    if route.sensitive_params and not request[keys.ENCODED]:
        raise InvalidEncodedParams
    request[keys.ROUTE] = route
    return await handler(request)
