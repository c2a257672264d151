"""The Overview: its tiles, and what the page offers."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

from service.admin import keys
from service.admin.console.charts import CHARTS
from service.admin.console.figures import health, tiles, totals
from service.admin.console.filters import UNKNOWN
from service.metrics.history import RouteStats
from tests.admin.console.conftest import Browser
from tests.admin.console.points import IDLE, answered, point
from tests.factories import CREATE


def test_unknown_figures_are_not_zero() -> None:
    """If the database does not answer, the outbox is unknown, not empty."""
    shown = {tile.label: tile.value for tile in tiles(IDLE)}
    assert (shown["E-mails pending"], shown["E-mails given up"], shown["Latency p99"]) == (UNKNOWN, UNKNOWN, UNKNOWN)


@pytest.mark.parametrize(
    ("label", "changes"),
    [
        ("API requests", {"api": answered(application_crash=0.2)}),
        ("API requests", {"api": answered(mandrill_email_failed=0.2)}),
        ("Database pool", {"pool_waiting": 1}),
        ("Workers", {"workers": 0}),
        ("Notifications", {"unacknowledged_notifications": 1}),
        ("E-mails pending", {"oldest_pending_email_seconds": 601.0}),
        ("E-mails given up", {"emails": {"pending": 0, "sent": 0, "dead": 1}}),
    ],
)
def test_alarms(label: str, changes: dict[str, Any]) -> None:
    """A figure that needs attention is marked, and no other."""
    assert [tile.label for tile in tiles(point(**changes)) if tile.alarm] == [label]
    assert not [tile for tile in tiles(IDLE) if tile.alarm]
    assert not [tile for tile in tiles(point(oldest_pending_email_seconds=600.0)) if tile.alarm]


async def test_the_overview_shows_the_latest_point(browser: Browser, ops_app: web.Application) -> None:
    """The tiles show the latest figures, and the page has a place for every chart."""
    stats = RouteStats({"action-successful": 120.0}, p99_seconds=0.042)
    ops_app[keys.HISTORY].add(point(api=stats, emails={"pending": 3, "sent": 10, "dead": 1}))
    for path in ("/", "/overview/panels"):
        words = (await browser.get(path)).words
        for text in ("API requests 120/s", "Latency p99 42 ms", "E-mails pending 3", "given up 1"):
            assert text in words, path
    text = (await browser.get("/")).text
    assert re.findall(r'<figure class="panel chart" id="(\w+)"', text) == [chart.id for chart in CHARTS]
    assert 'data-source="/console/overview.json"' in text


async def test_updates_can_be_paused(browser: Browser) -> None:
    """A live page has intervals for the tiles and the charts, a paused one has none."""
    for query, live in {"": True, "?live=off": False}.items():
        text = (await browser.get(f"/{query}")).text
        assert ('hx-trigger="every 5s"' in text, 'data-seconds="5.0"' in text) == (live, live)


async def test_the_overview_can_show_one_action(browser: Browser, ops_app: web.Application) -> None:
    """The page offers the routes that were called. The tiles and the data are those of the chosen route."""
    ops_app[keys.HISTORY].add(
        point(api=answered(action_successful=9), by_route={CREATE: answered(action_successful=2)})
    )
    page = await browser.get(f"/?route={CREATE}")
    assert re.findall(r"<option[^>]*>([^<]+)</option>", page.text) == ["all actions", CREATE]
    assert "API requests 2/s" in page.words
    query = urlencode({"route": CREATE})
    for address in (f'data-source="/console/overview.json?{query}"', f"panels?{query}"):
        assert address in page.text
    assert "API requests 2/s" in (await browser.get(f"/overview/panels?route={CREATE}")).words
    assert "API requests 9/s" in (await browser.get("/?route=/api/never/called")).words


async def test_choosing_an_action_keeps_the_pause(browser: Browser, ops_app: web.Application) -> None:
    """Neither the form nor the link that resumes loses the other choice."""
    ops_app[keys.HISTORY].add(point(by_route={CREATE: answered(action_successful=2)}))
    text = (await browser.get(f"/?live=off&route={CREATE}")).text
    assert '<input type="hidden" name="live" value="off">' in text
    assert f'<a href="/console/?route={CREATE}">Resume updates</a>' in text
    address = unescape(re.findall(r'href="([^"]+)">Pause updates', (await browser.get(f"/?route={CREATE}")).text)[0])
    assert address == f"/console/?route={CREATE}&live=off"


def test_the_health_names_each_part() -> None:
    """The database, the migrations and the workers are good, bad or unknown."""
    good = health(point(database_up=True, pending_migrations=0, workers=4), 4)
    bad = health(point(database_up=False, pending_migrations=2, workers=3), 4)
    unknown = health(point(workers=0), 4)
    assert [(item.text, item.good) for item in good] == [
        ("answers", True),
        ("all applied", True),
        ("4 of 4 running", True),
    ]
    assert [(item.text, item.good) for item in bad] == [
        ("does not answer", False),
        ("2 pending", False),
        ("3 of 4 running", False),
    ]
    assert [item.good for item in unknown] == [None, None, False]


async def test_the_health_is_on_top(browser: Browser, ops_app: web.Application) -> None:
    """The page begins with the health, which the updates renew."""
    ops_app[keys.HISTORY].add(point(database_up=True, pending_migrations=1, workers=1))
    for path in ("/", "/overview/panels"):
        words = (await browser.get(path)).words
        assert re.search(r"Database answers Migrations 1 pending Workers 1 of \d+ running .* API requests", words), path


def test_totals_count_the_answers_of_the_range() -> None:
    """Each status has the number of its answers in the range and its share, our own errors first."""
    points = [
        point(20, api=answered(action_successful=100)),
        point(10, api=answered(action_successful=0.5)),
        point(5, api=answered(action_successful=0.5, invalid_token=0.01)),
        point(0, api=answered(application_crash=0.01, missing_param=0)),
    ]
    found = [(total.status, total.count, round(total.share, 2), total.kind) for total in totals(points, 15)]
    assert found == [
        ("application-crash", 3, 0.01, "error"),
        ("action-successful", 450, 0.99, "success"),
        ("invalid-token", 3, 0.01, "refusal"),
    ]
    assert totals([], 60) == []
    first = totals([point(api=answered(action_successful=2))], 60)
    assert [(total.status, total.count) for total in first] == [("action-successful", 10)]


def test_totals_can_be_those_of_one_route() -> None:
    """The totals of a route count its answers only."""
    points = [point(1), point(by_route={CREATE: answered(action_successful=1)}, api=answered(action_successful=9))]
    assert [total.count for total in totals(points, 60, CREATE)] == [60]


async def test_a_time_range_can_be_chosen(browser: Browser, ops_app: web.Application) -> None:
    """The page, its charts and its totals show the chosen range; links and forms keep the other choices."""
    for minutes in (30, 10, 2, 0):
        ops_app[keys.HISTORY].add(point(minutes, by_route={CREATE: answered()}, api=answered(action_successful=1)))
    shown = {}
    for choice in ("5", "15", "60", "7"):
        page = await browser.get(f"/?minutes={choice}&live=off&route={CREATE}")
        (source,) = re.findall(r'data-source="/console([^"]+)"', page.text)
        times = json.loads((await browser.get(unescape(source))).text)["times"]
        shown[choice] = (re.findall(r'aria-current="true">([^<]+)<', page.text), len(times))
        for link in re.findall(r'<nav class="ranges".*?</nav>', page.text, re.DOTALL):
            assert link.count("live=off") == link.count("route=") == 3
    assert shown == {"5": (["5 min"], 2), "15": (["15 min"], 3), "60": (["60 min"], 4), "7": (["60 min"], 4)}
    assert '<input type="hidden" name="minutes" value="5">' in (await browser.get("/?minutes=5")).text


async def test_tiles_lead_to_their_pages(browser: Browser, ops_app: web.Application) -> None:
    """Every tile is a link to a page of the console, or to a chart of this one."""
    ops_app[keys.HISTORY].add(point())
    text = (await browser.get("/")).text
    targets = re.findall(r'<a class="panel tile[^"]*" href="([^"]+)"', text)
    assert len(targets) == len(tiles(IDLE)) == 8
    for target in targets:
        if target.startswith("#"):
            assert f'id="{target[1:]}"' in text
        else:
            assert (await browser.get(target.removeprefix("/console"))).code == 200
