"""Verify the caller.

Refuses with `missing-param` on the token, `invalid-token`, `session-expired` or `client-required`.
"""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.api import keys
from service.api.authenticator import UnverifiedCaller
from service.domain.params import MISSING
from service.domain.statuses import InvalidToken, MissingParam, Overloaded, ParamError
from service.domain.views import SESSION_VIEWS
from service.observability.secrets import remember


@web.middleware
async def authentication(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Look the token up and put the caller into the request; refuse the request if the token is not valid.

    An action that declares `statement_judges_token` gets an `UnverifiedCaller` instead: its own statement judges the
    token, and without that verdict its handler has no caller.
    """
    token = _token(request)
    _refuse_when_overloaded(request)
    unverified = UnverifiedCaller(
        request.app[keys.AUTHENTICATOR], token, request[keys.DEADLINE], _requested_view(request)
    )
    request[keys.TOKEN] = token
    if request[keys.ACTION].statement_judges_token:
        request[keys.UNVERIFIED_CALLER] = unverified
    else:
        request[keys.CALLER] = await unverified.verify()
    return await handler(request)


def _refuse_when_overloaded(request: web.Request) -> None:
    app = request.app
    outstanding = (
        app[keys.AUTHENTICATOR].outstanding + app[keys.WRITER].outstanding + app[keys.READ_DATABASE].outstanding
    )
    # An early refusal is safe to retry, and those who wait already are served sooner.
    if outstanding >= app[keys.CONFIG].server.max_waiting:
        raise Overloaded


def _token(request: web.Request) -> str:
    params = request[keys.PARAMS]
    token = params["token"] if "token" in params else _bearer(request)
    if token in (None, ""):
        raise MissingParam(ParamError("token", MISSING))
    if not isinstance(token, str):
        raise InvalidToken
    remember(token)
    return token


def _bearer(request: web.Request) -> str | None:
    scheme, _, credentials = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None


def _requested_view(request: web.Request) -> str:
    view = request[keys.PARAMS].get("session_view")
    return view if isinstance(view, str) and view in SESSION_VIEWS else "default"
