"""The console: web pages for operators, on the internal listener."""

from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from service.admin import keys
from service.admin.console import (
    access,
    applications,
    assets,
    audit,
    emails,
    login,
    notifications,
    overview,
    registry,
    requirements,
    sessions,
)
from service.admin.console.filters import FILTERS
from service.admin.console.headers import set_headers
from service.admin.console.middlewares import CONSOLE
from service.admin.logins import Logins
from service.admin.password import console_password

PREFIX = "/console"

ROUTES = (
    login.ROUTES,
    assets.ROUTES,
    overview.ROUTES,
    notifications.ROUTES,
    requirements.ROUTES,
    emails.ROUTES,
    registry.ROUTES,
    access.ROUTES,
    applications.ROUTES,
    sessions.ROUTES,
    audit.ROUTES,
)

_TEMPLATES = Path(__file__).parent / "templates"


def add_console(app: web.Application) -> None:
    """Add the console to the internal listener's application. Raises `ConfigError` without a password."""
    app[keys.LOGINS] = Logins(console_password(app[keys.CONFIG]))
    app.on_response_prepare.append(set_headers)
    app.router.add_get("/", redirect_to_console)

    console = web.Application(middlewares=CONSOLE)
    for routes in ROUTES:
        console.add_routes(routes)
    aiohttp_jinja2.setup(
        console,
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        filters=FILTERS,
        default_helpers=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    app.add_subapp(PREFIX, console)


async def redirect_to_console(_request: web.Request) -> web.Response:
    """Redirect `/` of the internal listener to the console."""
    raise web.HTTPSeeOther(f"{PREFIX}/")
