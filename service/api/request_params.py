"""The params of a request, read by the schema of its action."""

from typing import Any

from aiohttp import web

from service.api import keys
from service.domain.params import load_params
from service.domain.statuses import ParamError


def load_request_params(request: web.Request, *other_errors: ParamError) -> dict[str, Any]:
    """The values of the action's params. `other_errors` were found elsewhere in the request.

    Raises `MissingParam` or `InvalidParam`. Verify the caller before calling this, or before answering its
    error: a rejected caller must not learn anything about params.
    """
    schema = request.app[keys.PARAMS_SCHEMAS][request[keys.ACTION].name]
    return load_params(schema, request[keys.PARAMS], *other_errors)
