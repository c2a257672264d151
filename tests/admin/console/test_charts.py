"""The data of the Overview's charts, and the colours of statuses."""

import json

import pytest
from aiohttp import web

from service.admin import keys
from service.admin.console.charts import CHARTS, Series, charts_data
from service.admin.console.status_colours import ERRORS, shown_statuses, status_colour
from service.domain.statuses import STATUSES
from service.metrics.history import RouteStats
from tests.admin.console.conftest import Browser
from tests.admin.console.points import NOW, answered, point
from tests.factories import CREATE

OTHER = "/api/v1/requirements/other"


def values(series: list[Series]) -> dict[str, list[float | None]]:
    """The values of each series by its label."""
    return {line.label: line.values for line in series}


def test_one_value_per_point_and_series() -> None:
    """Every series has a value for each point, in the order of the times."""
    data = charts_data([point(1, in_flight=1), point(0.5, in_flight=8), point(in_flight=2)])
    assert data.times == [NOW.timestamp() - 60, NOW.timestamp() - 30, NOW.timestamp()]
    assert data.series.keys() == {chart.id for chart in CHARTS}
    assert values(data.series["workers"]) == {"workers": [2, 2, 2], "requests in progress": [1, 8, 2]}
    lengths = {len(line.values) for series in data.series.values() for line in series}
    assert lengths == {3}


def test_unknown_values_are_gaps() -> None:
    """A value that is not known is null, not zero."""
    known = point(emails={"pending": 3, "dead": 1}, api=RouteStats(p50_seconds=0.012345678))
    series = charts_data([point(1), known, point()]).series
    assert values(series["emails"]) == {"pending": [None, 3, None], "given up": [None, 1, None]}
    assert values(series["latency"])["p50"] == [None, 0.01235, None]


def test_without_points_nothing_is_drawn() -> None:
    """Before the first point all series are empty."""
    data = charts_data([])
    assert data.times == []
    assert all(line.values == [] for series in data.series.values() for line in series)


def test_every_answered_status_is_drawn_errors_first() -> None:
    """Each status with requests has a line: errors of the service, the success, then refusals. Others have none."""
    rates = answered(invalid_token=9, action_successful=100, missing_param=0, mandrill_email_failed=1)
    later = answered(application_crash=0.001, invalid_token=2)
    series = charts_data([point(1, api=rates), point(api=later)]).series["requests"]
    assert list(values(series).items()) == [
        ("application-crash", [0, 0.001]),
        ("mandrill-email-failed", [1, 0]),
        ("action-successful", [100, 0]),
        ("invalid-token", [9, 2]),
    ]


def test_one_route_can_be_chosen() -> None:
    """Requests and latency are those of the chosen route, empty in points before its first call."""
    stats = RouteStats({"action-successful": 2.0}, p99_seconds=0.5)
    points = [point(1, api=answered(invalid_token=1)), point(api=stats, by_route={OTHER: stats})]
    series = charts_data(points, OTHER).series
    assert values(series["requests"]) == {"action-successful": [0, 2]}
    assert values(series["latency"])["p99"] == [None, 0.5]


def test_each_status_has_one_colour() -> None:
    """Every status of the API has a colour of its own; the strong ones are errors of the service and the success."""
    names = [status.name for status in STATUSES]
    colours = {name: status_colour(name) for name in names}
    assert len(set(colours.values())) == len(names)
    assert {name for name, colour in colours.items() if colour.strong} == {*ERRORS, "action-successful"}
    assert sorted(shown_statuses(names)) == sorted(names)
    assert shown_statuses(names)[:3] == list(ERRORS)


def test_colours_can_be_told_apart() -> None:
    """Hues of the same strength differ by at least ten degrees."""
    for strong in (True, False):
        colours = [status_colour(status.name) for status in STATUSES]
        hues = sorted(colour.hue for colour in colours if colour.strong is strong)
        assert min(after - before for before, after in zip(hues, [*hues[1:], hues[0] + 360], strict=True)) >= 10, hues


async def test_the_endpoint_sends_the_data(browser: Browser, ops_app: web.Application) -> None:
    """`/console/overview.json` is what `charts_data` gives, for all actions or one route."""
    stats = answered(invalid_token=1)
    points = [point(1), point(api=answered(invalid_token=4), by_route={OTHER: stats, CREATE: answered()})]
    for added in points:
        ops_app[keys.HISTORY].add(added)
    for query, route in {"": None, f"?route={OTHER}": OTHER, "?route=/api/unknown": None}.items():
        answer = await browser.get(f"/overview.json{query}")
        assert answer.headers["Content-Type"] == "application/json"
        sent, expected = json.loads(answer.text), charts_data(points, route)
        assert sent["times"] == expected.times
        for chart, lines in expected.series.items():
            assert [(line["label"], line["values"]) for line in sent["series"][chart]] == [
                (line.label, line.values) for line in lines
            ]
            assert [(line["colour"]["hue"], line["colour"]["strong"]) for line in sent["series"][chart]] == [
                (line.colour.hue, line.colour.strong) for line in lines
            ]


@pytest.mark.parametrize("path", ["/overview.json", "/overview/panels"])
async def test_an_open_page_without_a_login_is_sent_to_the_form(anonymous: Browser, path: str) -> None:
    """After the login has ended, an update is answered with the address of the login form."""
    answer = await anonymous.get(path, HX_Request="true")
    assert (answer.code, answer.text, answer.headers["HX-Redirect"]) == (401, "", "/console/login")
