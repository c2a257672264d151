"""Who calls: refuses with `missing-param` on the token, `invalid-token`, `session-expired`, `client-required`."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.api import keys
from service.domain.callers import RoleMissing, digest
from service.domain.schemas import MISSING
from service.domain.statuses import ClientRequired, InvalidToken, MissingParam, Overloaded, ParamError
from service.domain.views import SESSION_VIEWS, session_view
from service.observability.secrets import remember


@web.middleware
async def authentication(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Leave the token in the request, and let an answer out only if its caller was let in.

    The handler has the token judged, by the statement that does the work wherever it can: a round trip of its own
    would take as long as the work.
    """
    token = _extract(request)
    _refuse_when_overloaded(request)
    request[keys.TOKEN] = token
    request[keys.TOKEN_DIGEST] = digest(token)
    try:
        response = await handler(request)
    except RoleMissing as missing:
        view = session_view(missing.caller, token, _wanted_view(request))
        raise ClientRequired(views={"session": view}) from None
    if keys.CALLER not in request:
        raise RuntimeError("a handler answered without having the token judged")
    return response


def _refuse_when_overloaded(request: web.Request) -> None:
    app = request.app
    outstanding = app[keys.AUTHENTICATOR].outstanding + app[keys.RECORDER].outstanding
    # Told early it is safe to try again, and those who wait already are served the sooner.
    if outstanding >= app[keys.CONFIG].server.max_waiting:
        raise Overloaded


def _extract(request: web.Request) -> str:
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


def _wanted_view(request: web.Request) -> str:
    view = request[keys.PARAMS].get("session_view")
    return view if isinstance(view, str) and view in SESSION_VIEWS else "default"
