"""Labels of the metrics: only names known to the service, never values sent by a caller."""

from itertools import pairwise

from prometheus_client.samples import Sample

from service.api import keys
from service.api.actions import ACTIONS
from service.api.app import create_app
from service.config import Config
from service.domain.statuses import STATUSES
from service.metrics.definitions import LATENCIES, UNMATCHED, Metrics
from tests.conftest import Client
from tests.factories import CREATE, READ, Records, params

UNKNOWN_REQUESTS = [
    ("GET", "/api/v1/requirements/create"),
    ("POST", "/api/v2/requirements/create"),
    ("PROPFIND", "/api/v1/requirements/create"),
    ("POST", "/api/v1/requirements/create/"),
    ("POST", "/api/v1/requirements/create%2F"),
    ("GET", '/"} 1\nrequirements_workers{a="'),
    ("DELETE", "/ping/sk-a-token-in-the-wrong-place"),
    *(("GET", f"/{number}") for number in range(40)),
]


def requests(metrics: Metrics) -> list[Sample]:
    """The samples of `requirements_requests_total`."""
    families = (family for family in metrics.registry.collect() if family.name == "requirements_requests")
    return [sample for family in families for sample in family.samples if sample.name.endswith("_total")]


def counted(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """The number of requests by labels, without zeros."""
    return {
        tuple(sample.labels[name] for name in ("route", "status", "code", "outcome")): sample.value
        for sample in requests(metrics)
        if sample.value
    }


async def test_no_path_and_no_method_becomes_a_label(client: Client, metrics: Metrics) -> None:
    """All unknown paths and methods are counted in one series."""
    for method, path in UNKNOWN_REQUESTS:
        async with client.request(method, path) as response:
            assert response.status == 500
    assert counted(metrics) == {(UNMATCHED, "route-non-existent", "500", "none"): len(UNKNOWN_REQUESTS)}


async def test_each_response_is_counted_with_its_labels(client: Client, metrics: Metrics, records: Records) -> None:
    """Route, status, code and outcome are those of the response. Without an envelope the status is `none`."""
    application, (user_id, _) = await records.application(), await records.user()
    sent = params(application.token, user_id)
    for headers in ({}, {"Idempotency-Key": "a"}, {"Idempotency-Key": "a"}):
        await client.post(CREATE, json=sent, headers=headers)
    await client.post(CREATE, json=params("nobody's", user_id))
    await client.get("/ping")
    assert counted(metrics) == {
        (CREATE, "action-successful", "200", "created"): 2,
        (CREATE, "action-successful", "200", "replayed"): 1,
        (CREATE, "invalid-token", "401", "none"): 1,
        ("/ping", "none", "200", "none"): 1,
    }


async def test_every_response_has_a_latency(client: Client, metrics: Metrics) -> None:
    """The histogram of a route counts all its responses, and the in-flight gauge returns to 0."""
    for path in ("/ping", "/ping", "/ready"):
        await client.get(path)
    counts = {
        path: metrics.registry.get_sample_value("requirements_request_duration_seconds_count", {"route": path})
        for path in ("/ping", "/ready")
    }
    assert counts == {"/ping": 2, "/ready": 1}
    assert metrics.in_flight == 0


def test_two_applications_count_apart(config: Config) -> None:
    """Two applications in one process have separate counters."""
    first, second = (create_app(config)[keys.METRICS] for _ in range(2))
    first.answered("/ping", None, 200, None, 0.001)
    assert (len(counted(first)), len(counted(second))) == (1, 0)


def test_errors_are_predeclared(config: Config) -> None:
    """The series of our own errors exist with value 0 from the start, so that an alert sees the first error."""
    samples = requests(create_app(config)[keys.METRICS])
    errors = {("application-crash", "none"), ("application-crash", "unknown"), ("identify-request-error", "none")}
    assert {(sample.labels["status"], sample.labels["outcome"]) for sample in samples} >= errors
    assert {(sample.labels["route"], sample.value) for sample in samples} == {(action.path, 0.0) for action in ACTIONS}


def test_predeclared_errors_are_those_of_each_action() -> None:
    """An action that writes can crash with an unknown outcome, a create can fail to send its e-mail, a read cannot."""
    metrics = Metrics()
    for action in ACTIONS:
        metrics.predeclare_errors(action.path, action.own_errors)
    declared = {tuple(sample.labels[name] for name in ("route", "status", "outcome")) for sample in requests(metrics)}
    own = ("application-crash", "identify-request-error")
    expected = {(action.path, status, "none") for action in ACTIONS for status in own}
    expected |= {(action.path, "application-crash", "unknown") for action in ACTIONS if action.writes}
    assert declared == expected | {(CREATE, "mandrill-email-failed", "created")}
    assert (READ, "application-crash", "unknown") not in declared


def test_the_number_of_series_is_bounded() -> None:
    """The number of series of a route is bounded by statuses and outcomes."""
    metrics = Metrics()
    for _ in range(3):
        for status in STATUSES:
            for outcome in ("created", "replayed", "none", "unknown", None):
                metrics.answered(CREATE, status.name, status.http_code, outcome, 0.001)
    assert len(requests(metrics)) == len(STATUSES) * 4
    assert sum(sample.value for sample in requests(metrics)) == 3 * len(STATUSES) * 5


def test_the_buckets_reach_from_half_a_millisecond_to_the_request_timeout(config: Config) -> None:
    """Latency buckets cover all durations up to the request timeout, with factors of about two."""
    assert LATENCIES[0] == 0.0005
    assert LATENCIES[-1] == config.server.request_timeout_seconds
    assert all(1.9 < upper / lower < 2.6 for lower, upper in pairwise(LATENCIES))
