"""The Overview tab: the state of the service and its last hour, read from memory without the database."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from aiohttp import web
from yarl import URL

from service.admin import keys
from service.admin.console.charts import CHARTS, charts_data, route_stats
from service.admin.console.filters import UNKNOWN, duration, number
from service.admin.console.rendering import page, part
from service.admin.console.status_colours import ERRORS
from service.metrics.history import SECONDS_BETWEEN_POINTS, Point

ADDRESS = "/console/"


@dataclass(frozen=True, slots=True)
class Tile:
    """One current figure. `alarm` marks a figure that an operator should look at."""

    label: str
    value: str
    more: str = ""
    alarm: bool = False


async def show(request: web.Request) -> web.Response:
    """The whole tab. `live=off` in the query stops the updates, `route` limits it to one route."""
    points, route = _points(request), _route(request)
    live = request.query.get("live") != "off"
    toggled = {"live": "off"} if live else {}
    return await page(
        request,
        "overview.html",
        "overview",
        **_panels(points, route),
        live=live,
        route=route,
        routes=_routes(points),
        charts=CHARTS,
        seconds=SECONDS_BETWEEN_POINTS,
        query=_query(route),
        toggle=URL(ADDRESS).with_query(toggled | _query(route)),
    )


async def show_panels(request: web.Request) -> web.Response:
    """The tiles, for the updates of an open page."""
    return part(request, "_panels.html", **_panels(_points(request), _route(request)))


async def show_data(request: web.Request) -> web.Response:
    """The data of all charts as JSON."""
    data = charts_data(_points(request), _route(request))
    return web.Response(body=orjson.dumps(data), content_type="application/json")


def _points(request: web.Request) -> list[Point]:
    return request.config_dict[keys.HISTORY].points()


def _routes(points: Sequence[Point]) -> list[str]:
    """The routes that were called since the service started."""
    return sorted(points[-1].by_route) if points else []


def _route(request: web.Request) -> str | None:
    """The route in the query; None for all, also if the route was never called."""
    route = request.query.get("route")
    return route if route in _routes(_points(request)) else None


def _query(route: str | None) -> dict[str, str]:
    return {} if route is None else {"route": route}


def _panels(points: Sequence[Point], route: str | None) -> dict[str, object]:
    return {"tiles": tiles(points[-1], route) if points else [], "at": points[-1].at if points else None}


def tiles(point: Point, route: str | None = None) -> list[Tile]:
    """The figures of one point. `route` limits requests and latency to one route."""
    api = route_stats(point, route)
    total = sum(api.requests_per_second.values())
    failed = sum(rate for status, rate in api.requests_per_second.items() if status in ERRORS)
    emails = point.emails or {}
    return [
        Tile("API requests", f"{number(round(total, 1))}/s", f"{number(round(failed, 2))}/s failed", failed > 0),
        Tile("Latency p99", duration(api.p99_seconds), f"p50 {duration(api.p50_seconds)}"),
        Tile("In progress", number(point.in_flight), f"loop lag {duration(point.loop_lag_seconds)}"),
        Tile(
            "Database pool",
            f"{point.pool_in_use} of {point.pool_limit}",
            f"{point.pool_waiting} waiting",
            alarm=point.pool_waiting > 0,
        ),
        Tile("Workers", number(point.workers), f"{point.worker_restarts} restarts", alarm=point.workers == 0),
        Tile(
            "E-mails pending",
            number(emails["pending"]) if "pending" in emails else _unknown_or_zero(point),
            f"oldest {duration(point.oldest_pending_email_seconds)}",
        ),
        Tile(
            "E-mails given up",
            number(emails["dead"]) if "dead" in emails else _unknown_or_zero(point),
            f"{number(emails.get('sent', 0))} sent" if point.emails is not None else "",
            alarm=bool(emails.get("dead")),
        ),
    ]


def _unknown_or_zero(point: Point) -> str:
    return UNKNOWN if point.emails is None else "0"


ROUTES = (
    web.get("/", show),
    web.get("/overview/panels", show_panels),
    web.get("/overview.json", show_data),
)
