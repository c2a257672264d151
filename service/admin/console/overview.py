"""The Overview tab: the state of the service and its last hour, read from memory without the database."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from aiohttp import web
from yarl import URL

from service.admin import keys
from service.admin.console.charts import CHARTS, charts_data
from service.admin.console.figures import health, points_within, tiles, totals
from service.admin.console.rendering import page, part
from service.metrics.history import SECONDS_BETWEEN_POINTS, Point

ADDRESS = "/console/"
# The time ranges that the page offers, in minutes. The last one is the whole history.
RANGES = (5, 15, 60)
WHOLE_HISTORY = max(RANGES)


@dataclass(frozen=True, slots=True)
class View:
    """What of the history is shown: one route or all actions, and the last `minutes` of it."""

    points: Sequence[Point]
    route: str | None
    minutes: int

    @property
    def query(self) -> dict[str, str]:
        """The query string that selects this view."""
        route = {} if self.route is None else {"route": self.route}
        return route | ({} if self.minutes == WHOLE_HISTORY else {"minutes": str(self.minutes)})


async def show(request: web.Request) -> web.Response:
    """The whole tab. `live=off` in the query stops the updates; `route` and `minutes` limit what is shown."""
    view = _view(request)
    paused = {"live": "off"} if request.query.get("live") == "off" else {}
    ranges = {minutes: paused | View((), view.route, minutes).query for minutes in RANGES}
    return await page(
        request,
        "overview.html",
        "overview",
        **_panels(request, view),
        live=not paused,
        route=view.route,
        routes=_routes(request),
        ranges={minutes: URL(ADDRESS).with_query(query) for minutes, query in ranges.items()},
        charts=CHARTS,
        seconds=SECONDS_BETWEEN_POINTS,
        query=view.query,
        toggle=URL(ADDRESS).with_query(view.query | ({} if paused else {"live": "off"})),
    )


async def show_panels(request: web.Request) -> web.Response:
    """The health, tiles and totals, for the updates of an open page."""
    return part(request, "_panels.html", **_panels(request, _view(request)))


async def show_data(request: web.Request) -> web.Response:
    """The data of all charts as JSON."""
    view = _view(request)
    data = charts_data(points_within(view.points, view.minutes), view.route)
    return web.Response(body=orjson.dumps(data), content_type="application/json")


def _view(request: web.Request) -> View:
    """The view in the query: all routes if the route was never called, the whole history for any other range."""
    route, minutes = request.query.get("route"), request.query.get("minutes", "")
    return View(
        request.config_dict[keys.HISTORY].points(),
        route if route in _routes(request) else None,
        next((known for known in RANGES if str(known) == minutes), WHOLE_HISTORY),
    )


def _routes(request: web.Request) -> list[str]:
    """The routes that were called since the service started."""
    points = request.config_dict[keys.HISTORY].points()
    return sorted(points[-1].by_route) if points else []


def _panels(request: web.Request, view: View) -> dict[str, object]:
    if not view.points:
        return {"at": None, "minutes": view.minutes}
    latest = view.points[-1]
    return {
        "at": latest.at,
        "health": health(latest, request.config_dict[keys.CONFIG].server.workers),
        "tiles": tiles(latest, view.route),
        "totals": totals(view.points, view.minutes, view.route),
        "minutes": view.minutes,
    }


ROUTES = (
    web.get("/", show),
    web.get("/overview/panels", show_panels),
    web.get("/overview.json", show_data),
)
