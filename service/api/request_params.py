"""The params of a request, read by the schema of its action."""

from typing import Any

from aiohttp import web
from multidict import istr

from service.api import keys
from service.api.authenticator import UnverifiedCaller
from service.domain.idempotency import HEADER, IdempotencyKey, key_errors
from service.domain.params import load_params
from service.domain.statuses import ParamError, Refusal

_KEY_HEADER = istr(HEADER)


def load_request_params(request: web.Request, *other_errors: ParamError) -> dict[str, Any]:
    """The values of the action's params. `other_errors` were found elsewhere in the request.

    Raises `MissingParam` or `InvalidParam`. Verify the caller before calling this, or before answering its
    error: a rejected caller must not learn anything about params.
    """
    schema = request.app[keys.PARAMS_SCHEMAS][request[keys.ACTION].name]
    return load_params(schema, request[keys.PARAMS], *other_errors)


async def load_write_params(
    request: web.Request, unverified: UnverifiedCaller
) -> tuple[dict[str, Any], IdempotencyKey | None]:
    """The values of the params and the Idempotency-Key, if any, for an action whose own statement judges the token.

    Raises as `load_request_params`, and as `UnverifiedCaller.verify`: if params are invalid or there is a key, the
    caller must be known before that statement.
    """
    texts = request.headers.getall(_KEY_HEADER, [])
    try:
        params = load_request_params(request, *key_errors(texts))
    except Refusal:
        # A rejected caller must not learn anything about params.
        await unverified.verify()
        raise
    return params, IdempotencyKey(await unverified.verify(), texts[0]) if texts else None
