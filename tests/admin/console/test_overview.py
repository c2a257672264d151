"""The Overview: its tiles, and what the page offers."""

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

from service.admin import keys
from service.admin.console.charts import CHARTS
from service.admin.console.filters import UNKNOWN
from service.admin.console.overview import tiles
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
        ("E-mails given up", {"emails": {"pending": 0, "sent": 0, "dead": 1}}),
    ],
)
def test_alarms(label: str, changes: dict[str, Any]) -> None:
    """A figure that needs attention is marked, and no other."""
    assert [tile.label for tile in tiles(point(**changes)) if tile.alarm] == [label]
    assert not [tile for tile in tiles(IDLE) if tile.alarm]


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
    assert "?live=off" in (await browser.get(f"/?route={CREATE}")).text
