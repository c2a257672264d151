"""Log in and log out."""

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

# The target after a login: only pages of the console, never another site.
_CONSOLE_PATH = re.compile(r"/console/[\w/?&=.%:+-]*", re.ASCII)

log = structlog.get_logger()


async def show(request: web.Request) -> web.Response:
    """The login form."""
    if keys.LOGIN in request:
        raise web.HTTPSeeOther(HOME)
    return _form(request, 200)


async def log_in(request: web.Request) -> web.Response:
    """Log in and redirect to the page that was requested first."""
    form = await read_form(request)
    name = form.line("name", "Your name")
    try:
        login_id = request.config_dict[keys.LOGINS].open(name, form.get("password"), request.remote or "")
    except WrongPasswordError:
        log.warning("console-login-refused", reason="wrong password", address=request.remote)
        return _form(request, 403, "The password is wrong.", name)
    except ThrottledError as error:
        log.warning("console-login-refused", reason="too many wrong passwords", address=request.remote)
        minutes = math.ceil(error.seconds / 60)
        text = f"Too many wrong passwords. Try again in {minutes} minute{'' if minutes == 1 else 's'}."
        response = _form(request, 429, text, name)
        response.headers["Retry-After"] = str(math.ceil(error.seconds))
        return response
    log.info("console-login", actor=name)
    target = form.get("next")
    redirect = web.HTTPSeeOther(target if _CONSOLE_PATH.fullmatch(target) else HOME)
    redirect.set_cookie(COOKIE, login_id, path="/", httponly=True, samesite="Strict", secure=request.secure)
    raise redirect


async def log_out(request: web.Request) -> web.Response:
    """Log out: end the login and delete the cookie."""
    request.config_dict[keys.LOGINS].close(request.cookies[COOKIE])
    log.info("console-logout", actor=request[keys.LOGIN].name)
    redirect = web.HTTPSeeOther(LOGIN_PATH)
    redirect.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict", secure=request.secure)
    raise redirect


def _form(request: web.Request, code: int, error: str | None = None, name: str = "") -> web.Response:
    target = request.query.get("next", HOME)
    context = {"error": error, "name": name, "next": target if _CONSOLE_PATH.fullmatch(target) else HOME, "login": None}
    return aiohttp_jinja2.render_template("login.html", request, context, status=code)


ROUTES = (
    web.get("/login", show, name="login"),
    web.post("/login", log_in, name="log_in"),
    web.post("/logout", log_out),
)
