"""Stylesheets, scripts and the icon."""

from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "static"
NAMES = frozenset(
    {
        "charts.js",
        "console.css",
        "console.js",
        "htmx.min.js",
        "icon.svg",
        "uplot/uPlot.iife.min.js",
        "uplot/uPlot.min.css",
    }
)


async def asset(request: web.Request) -> web.FileResponse:
    """One of the files in `NAMES`. The browser revalidates its copy each time."""
    name = request.match_info["name"]
    if name not in NAMES:
        raise web.HTTPNotFound
    return web.FileResponse(FOLDER / name, headers={"Cache-Control": "no-cache"})


ROUTES = (web.get("/static/{name:.+}", asset, name="asset"),)
