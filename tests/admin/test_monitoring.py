"""The dashboard and alerts in deploy/ are valid and use existing metrics."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.api.actions import ACTIONS
from service.domain.statuses import STATUSES
from tests.admin.conftest import RunningService
from tests.admin.scraping import scrape

DEPLOY = Path(__file__).parents[2] / "deploy"

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "requirements.json").read_text("utf-8"))
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]

NAME = re.compile(r"\brequirements_\w+")
MATCHER = re.compile(r'\b(\w+)(=~?)"([^"]*)"')


def expressions() -> Iterator[str]:
    """Every expression of the dashboard and the alerts."""
    yield from (rule["expr"] for rule in ALERTS)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


async def test_every_metric_used_exists(shared: RunningService) -> None:
    """Every metric in their expressions is in a scrape of a real service."""
    await shared.create()
    names = (await scrape(shared.http, shared.console)).names
    used = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(used) > 15
    assert used - names == set()


async def test_every_label_value_used_exists(shared: RunningService) -> None:
    """Every status, outcome, route and state they select exists."""
    await shared.create()
    found = await scrape(shared.http, shared.console)
    statuses = {status.name for status in STATUSES}
    known = {
        "status": statuses,
        "outcome": {"created", "replayed", "none", "unknown"},
        "route": found.values("route") | {"/api/.*", "unmatched"},
        "state": found.values("state"),
    }
    used = [
        (label, value)
        for expression in expressions()
        for label, operator, text in MATCHER.findall(expression)
        for value in (text.split("|") if operator == "=~" else [text])
    ]
    assert used
    assert [(label, value) for label, value in used if value not in known[label]] == []


async def test_each_action_has_its_own_series(shared: RunningService) -> None:
    """Latency, crashes and calls are shown by action, and every action is in the metrics under its own route."""
    by_route = [text for text in expressions() if re.search(r"sum by \((?:le, )?route", text)]
    used = {name for text in by_route for name in NAME.findall(text)}
    assert used == {"requirements_requests_total", "requirements_request_duration_seconds_bucket"}
    assert len([rule for rule in ALERTS if "route)" in rule["expr"]]) == 2
    for action in ACTIONS:
        async with shared.http.post(f"{shared.serve.url}{action.path}", json={}) as response:
            assert response.status == 400
    assert {action.path for action in ACTIONS} <= (await scrape(shared.http, shared.console)).values("route")


@pytest.mark.parametrize("rule", ALERTS, ids=[rule["alert"] for rule in ALERTS])
def test_every_alert_has_a_runbook(rule: dict[str, Any]) -> None:
    """An alert has a severity, a summary and a runbook."""
    assert rule["alert"].startswith("Requirements")
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "runbook"}
    assert all(text.endswith(".") for text in rule["annotations"].values())
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_late_emails_raise_an_alert_before_they_are_a_quarter_of_an_hour_old() -> None:
    """An e-mail that stays pending raises an alert within 15 minutes, and so does an age that cannot be read."""
    (late,) = (rule for rule in ALERTS if rule["alert"] == "RequirementsEmailsLate")
    name, seconds = late["expr"].split(" > ")
    assert name == "requirements_oldest_pending_email_age_seconds"
    assert int(seconds) + 60 * int(late["for"].removesuffix("m")) <= 15 * 60
    (panel,) = (panel for panel in DASHBOARD["panels"] if panel["title"] == "Oldest e-mail")
    assert panel["targets"][0]["expr"] == name
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1] == {"color": "red", "value": int(seconds)}
    (unknown,) = (rule for rule in ALERTS if rule["alert"] == "RequirementsBacklogUnknown")
    assert unknown["expr"] == f"requirements_database_up == 1 unless on (job, instance) {name}"


def test_names_of_alerts_are_unique() -> None:
    """The names of alerts are unique."""
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names)


def test_the_dashboard_imports_without_edits() -> None:
    """Every panel uses the data source selected on the dashboard."""
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    sources = [panel["datasource"] for panel in DASHBOARD["panels"]]
    sources += [target["datasource"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert sources == [chosen] * len(sources)
    assert "id" not in DASHBOARD
    assert "__inputs" not in DASHBOARD


def test_panels_are_explained_and_do_not_overlap() -> None:
    """Each panel has a title, a description, a unit, and its own place in the 24 columns."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert taken.isdisjoint(cells)
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
