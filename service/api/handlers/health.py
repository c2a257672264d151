"""Liveness and readiness."""

from aiohttp import web

from service.api import keys
from service.api.readiness import all_ok

_NO_STORE = {"Cache-Control": "no-store"}


async def ping(_request: web.Request) -> web.Response:
    """The process is alive. Does not use the database, so that it answers even while that is unreachable."""
    return web.json_response({"status": "ok"}, headers=_NO_STORE)


async def ready(request: web.Request) -> web.Response:
    """200 if this worker can serve requests, else 503, with the result of each check."""
    checks = await request.app[keys.READINESS].check()
    fine = all_ok(checks)
    body = {"status": "ok" if fine else "unavailable", "checks": checks}
    return web.json_response(body, status=200 if fine else 503, headers=_NO_STORE)
