"""Verify the caller.

Refuses with `missing-param` on the token, `invalid-token`, `session-expired` or `client-required`.
"""

import contextlib

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.api import keys
from service.api.authenticator import UnverifiedCaller
from service.domain.callers import Caller
from service.domain.params import MISSING
from service.domain.statuses import InvalidToken, MissingParam, Overloaded, ParamError, Refusal
from service.domain.views import SESSION_VIEWS
from service.observability.secrets import remember


@web.middleware
async def authentication(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Look the token up and put the caller into the request; refuse the request if the token is not valid.

    An action that declares `statement_judges_token` gets an `UnverifiedCaller` instead: its own statement judges the
    token, and without that verdict its handler has no caller.
    """
    token = _token(request)
    app = request.app
    _refuse_when_overloaded(app)
    unverified = UnverifiedCaller(app[keys.AUTHENTICATOR], token, request[keys.DEADLINE], _requested_view(request))
    request[keys.TOKEN] = token
    if request[keys.ACTION].statement_judges_token:
        request[keys.UNVERIFIED_CALLER] = unverified
    else:
        request[keys.CALLER] = await _verify(request, unverified)
    return await handler(request)


async def _verify(request: web.Request, unverified: UnverifiedCaller) -> Caller:
    """The caller, by the verdict of the server that is to answer."""
    reads = request.app.get(keys.REPLICA_READS)
    if reads is not None and reads.may_answer(request[keys.ACTION], request[keys.PARAMS]):
        # The primary judges what the replica would refuse: it may lack a new token.
        with contextlib.suppress(Refusal):
            caller = unverified.accept(await reads.look_up(unverified.digest, request[keys.DEADLINE]))
            request[keys.ON_REPLICA] = True
            return caller
    return await unverified.verify()


def _refuse_when_overloaded(app: web.Application) -> None:
    outstanding = (
        app[keys.AUTHENTICATOR].outstanding
        + app[keys.WRITER].outstanding
        + app[keys.CHANGER].outstanding
        + app[keys.BATCH_WRITER].outstanding
        + app[keys.READ_DATABASE].outstanding
    )
    reads = app.get(keys.REPLICA_READS)
    if reads is not None:
        outstanding += reads.outstanding
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
