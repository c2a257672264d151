"""What becomes a label: only what the service itself knows by name, whatever callers send."""

from itertools import pairwise

from prometheus_client.samples import Sample

from service.api import keys
from service.api.app import create_app
from service.config import Config
from service.domain.statuses import STATUSES
from service.metrics.definitions import LATENCIES, UNMATCHED, Metrics
from tests.conftest import Client
from tests.factories import CREATE, Records, params

STRANGE = [
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
    """The samples of requests."""
    families = (family for family in metrics.registry.collect() if family.name == "requirements_requests")
    return [sample for family in families for sample in family.samples if sample.name.endswith("_total")]


def counted(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """How many requests there were for each set of labels that any had."""
    return {
        tuple(sample.labels[name] for name in ("route", "status", "code", "outcome")): sample.value
        for sample in requests(metrics)
        if sample.value
    }


async def test_no_path_and_no_method_becomes_a_label(client: Client, metrics: Metrics) -> None:
    """However many unknown paths and methods are tried, they are one series."""
    for method, path in STRANGE:
        async with client.request(method, path) as response:
            assert response.status == 500
    assert counted(metrics) == {(UNMATCHED, "route-non-existent", "500", "none"): len(STRANGE)}


async def test_each_answer_is_told_apart(client: Client, metrics: Metrics, records: Records) -> None:
    """Route, status, code and outcome are those of the answer; what has no envelope status is `none`."""
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


async def test_every_answer_has_a_latency(client: Client, metrics: Metrics) -> None:
    """The histogram of a route counts all its answers, refusals too, and nothing is left in flight."""
    for path in ("/ping", "/ping", "/ready"):
        await client.get(path)
    counts = {
        path: metrics.registry.get_sample_value("requirements_request_duration_seconds_count", {"route": path})
        for path in ("/ping", "/ready")
    }
    assert counts == {"/ping": 2, "/ready": 1}
    assert metrics.in_flight == 0


def test_two_applications_count_apart(config: Config) -> None:
    """What one application counts, another in the same process does not."""
    first, second = (create_app(config)[keys.METRICS] for _ in range(2))
    first.answered("/ping", None, 200, None, 0.001)
    assert (len(counted(first)), len(counted(second))) == (1, 0)


def test_faults_are_told_before_there_is_one(config: Config) -> None:
    """An alert on the first crash works: its series is there, at zero, from the start."""
    samples = requests(create_app(config)[keys.METRICS])
    faults = {("application-crash", "none"), ("application-crash", "unknown"), ("identify-request-error", "none")}
    assert {(sample.labels["status"], sample.labels["outcome"]) for sample in samples} >= faults
    assert {(sample.labels["route"], sample.value) for sample in samples} == {(CREATE, 0.0)}


def test_the_most_series_there_can_be() -> None:
    """A route's series are bounded by the statuses and outcomes that there are, and made once."""
    metrics = Metrics()
    for _ in range(3):
        for status in STATUSES:
            for outcome in ("created", "replayed", "none", "unknown", None):
                metrics.answered(CREATE, status.name, status.http_code, outcome, 0.001)
    assert len(requests(metrics)) == len(STATUSES) * 4
    assert sum(sample.value for sample in requests(metrics)) == 3 * len(STATUSES) * 5


def test_the_buckets_reach_from_half_a_millisecond_to_the_time_budget(config: Config) -> None:
    """Latencies are told apart over all that a request may take, in steps of about two."""
    assert LATENCIES[0] == 0.0005
    assert LATENCIES[-1] == config.server.request_timeout_seconds
    assert all(1.9 < upper / lower < 2.6 for lower, upper in pairwise(LATENCIES))
