"""The stylesheet and the scripts: whole files by name, and nothing else of their folder."""

from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "static"
NAMES = ("console.css", "console.js", "htmx.min.js", "icon.svg")


async def asset(request: web.Request) -> web.FileResponse:
    """One of the files; the browser asks each time whether it is still the same."""
    name = request.match_info["name"]
    if name not in NAMES:
        raise web.HTTPNotFound
    return web.FileResponse(FOLDER / name, headers={"Cache-Control": "no-cache"})


ROUTES = (web.get("/static/{name}", asset, name="asset"),)
