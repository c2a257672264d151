"""The way in and out."""

import math
import re

import aiohttp_jinja2
import structlog
from aiohttp import web

from service.admin import keys
from service.admin.console.forms import read_form
from service.admin.console.middlewares.logged_in import COOKIE
from service.admin.console.middlewares.logged_in import LOGIN as LOGIN_PATH
from service.admin.logins import ThrottledError, WrongPasswordError

HOME = "/console/"

# Only pages of ours: anything else could lead away.
_OURS = re.compile(r"/console/[\w/?&=.%:+-]*", re.ASCII)

log = structlog.get_logger()


async def show(request: web.Request) -> web.Response:
    """The form that asks for a name and the password."""
    if keys.LOGIN in request:
        raise web.HTTPSeeOther(HOME)
    return _form(request, 200)


async def enter(request: web.Request) -> web.Response:
    """Log in, and go where the person was headed."""
    form = await read_form(request)
    name = form.line("name", "Your name")
    try:
        login_id = request.config_dict[keys.LOGINS].open(name, form.get("password"))
    except WrongPasswordError:
        log.warning("console-login-refused", reason="wrong password")
        return _form(request, 403, "That is not the password.", name)
    except ThrottledError as error:
        log.warning("console-login-refused", reason="too many wrong passwords")
        minutes = math.ceil(error.seconds / 60)
        text = f"Too many wrong passwords were given: try again in {minutes} minute{'' if minutes == 1 else 's'}."
        answer = _form(request, 429, text, name)
        answer.headers["Retry-After"] = str(math.ceil(error.seconds))
        return answer
    log.info("console-login", actor=name)
    target = form.get("next")
    entered = web.HTTPSeeOther(target if _OURS.fullmatch(target) else HOME)
    entered.set_cookie(COOKIE, login_id, path="/", httponly=True, samesite="Strict", secure=request.secure)
    raise entered


async def leave(request: web.Request) -> web.Response:
    """Log out: the cookie opens nothing any more."""
    request.config_dict[keys.LOGINS].close(request.cookies[COOKIE])
    log.info("console-logout", actor=request[keys.LOGIN].name)
    left = web.HTTPSeeOther(LOGIN_PATH)
    left.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict", secure=request.secure)
    raise left


def _form(request: web.Request, code: int, fault: str | None = None, name: str = "") -> web.Response:
    target = request.query.get("next", HOME)
    context = {"fault": fault, "name": name, "next": target if _OURS.fullmatch(target) else HOME, "login": None}
    return aiohttp_jinja2.render_template("login.html", request, context, status=code)


ROUTES = (
    web.get("/login", show, name="login"),
    web.post("/login", enter, name="enter"),
    web.post("/logout", leave),
)
