"""What all processes together have measured, reduced to what the console draws."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.metrics_core import Metric

from service.metrics import definitions
from service.metrics.history import Point
from service.metrics.quantiles import Buckets, quantile, since

# The latencies of what callers wait for: neither probes nor the documentation.
API = "/api/"

Sums = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters and gauges at one time."""

    requests: Sums  # by envelope status; by HTTP code where an answer has none
    latencies: Buckets
    lags: Buckets
    pool: Sums  # connections by state
    gauges: Sums  # by metric, its labels summed up
    restarts: float


def reading(families: Iterable[Metric]) -> Reading:
    """The reading of what was collected."""
    requests: defaultdict[str, float] = defaultdict(float)
    latencies: defaultdict[float, float] = defaultdict(float)
    lags: defaultdict[float, float] = defaultdict(float)
    pool: defaultdict[str, float] = defaultdict(float)
    gauges: defaultdict[str, float] = defaultdict(float)
    for sample in (sample for family in families for sample in family.samples):
        labels = sample.labels
        if sample.name == f"{definitions.REQUESTS}_total":
            requests[labels["code"] if labels["status"] == "none" else labels["status"]] += sample.value
        elif sample.name == f"{definitions.REQUEST_SECONDS}_bucket" and labels["route"].startswith(API):
            latencies[_bound(labels)] += sample.value
        elif sample.name == f"{definitions.LOOP_LAG}_bucket":
            lags[_bound(labels)] += sample.value
        elif sample.name == definitions.POOL_CONNECTIONS:
            pool[labels["state"]] += sample.value
        else:
            gauges[sample.name] += sample.value
    return Reading(requests, latencies, lags, pool, gauges, gauges[f"{definitions.RESTARTS}_total"])


def point(at: datetime, seconds: float, before: Reading, after: Reading) -> Point:
    """What happened in the `seconds` between two readings. What the database says is left open."""
    latencies = since(before.latencies, after.latencies)
    return Point(
        at=at,
        requests_per_second={
            status: max(total - before.requests.get(status, 0.0), 0.0) / seconds
            for status, total in after.requests.items()
        },
        p50_seconds=quantile(0.5, latencies),
        p95_seconds=quantile(0.95, latencies),
        p99_seconds=quantile(0.99, latencies),
        in_flight=_whole(after.gauges, definitions.IN_FLIGHT),
        pool_in_use=_whole(after.pool, "in_use"),
        pool_idle=_whole(after.pool, "idle"),
        pool_limit=_whole(after.gauges, definitions.POOL_LIMIT),
        pool_waiting=_whole(after.gauges, definitions.POOL_WAITING),
        loop_lag_seconds=quantile(0.99, since(before.lags, after.lags)),
        workers=_whole(after.gauges, definitions.WORKERS),
        worker_restarts=int(after.restarts),
        emails=None,
        oldest_pending_email_seconds=None,
        unacknowledged_notifications=None,
    )


def _bound(labels: Mapping[str, str]) -> float:
    return math.inf if labels["le"] == "+Inf" else float(labels["le"])


def _whole(values: Sums, name: str) -> int:
    return int(values.get(name, 0.0))
