"""Who calls: refuses with `missing-param` on the token, `invalid-token`, `session-expired`, `client-required`."""

from aiohttp import web
from aiohttp.typedefs import Handler

from service import keys
from service.callers import Caller, judge
from service.database.errors import DatabaseError
from service.errors import ApplicationCrash, ClientRequired, InvalidToken, MissingParam, Overloaded, ParamError
from service.observability.secrets import remember
from service.schemas import MISSING
from service.views import SESSION_VIEWS, session_view


@web.middleware
async def authentication(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Leave the caller in the request. Extract its token, look it up, judge what was found, touch its session."""
    token = _extract(request)
    caller = await _authenticate(request, token)
    if caller.session is not None and not caller.session.roles:
        raise ClientRequired(views={"session": session_view(caller, token, _wanted_view(request))})
    request[keys.TOKEN] = token
    request[keys.CALLER] = caller
    return await handler(request)


async def _authenticate(request: web.Request, token: str) -> Caller:
    app = request.app
    authenticator = app[keys.AUTHENTICATOR]
    # Told early it is safe to try again, and those who wait already are served the sooner.
    if authenticator.outstanding + app[keys.RECORDER].outstanding >= app[keys.CONFIG].server.max_waiting:
        raise Overloaded
    try:
        found = await authenticator.look_up(token, request[keys.DEADLINE])
    except DatabaseError as error:
        raise ApplicationCrash from error
    if found is None:
        raise InvalidToken
    caller = judge(found.caller, found.now)
    if caller.session is not None:
        authenticator.touch(caller.session, found.now)
    return caller


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
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None


def _wanted_view(request: web.Request) -> str:
    view = request[keys.PARAMS].get("session_view")
    return view if isinstance(view, str) and view in SESSION_VIEWS else "default"
