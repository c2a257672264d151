"""Whether the process lives, and whether it can serve."""

from aiohttp import web

from service.api import keys
from service.api.readiness import all_ok

_NO_STORE = {"Cache-Control": "no-store"}


async def ping(_request: web.Request) -> web.Response:
    """The process lives. Asks nobody, so that it says so even when the database is gone."""
    return web.json_response({"status": "ok"}, headers=_NO_STORE)


async def ready(request: web.Request) -> web.Response:
    """200 if requests can be served here, else 503; and for each check what it found."""
    checks = await request.app[keys.HEALTH].check()
    fine = all_ok(checks)
    body = {"status": "ok" if fine else "unavailable", "checks": checks}
    return web.json_response(body, status=200 if fine else 503, headers=_NO_STORE)
