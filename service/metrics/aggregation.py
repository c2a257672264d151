"""Aggregate the metrics of all processes into the points of the console's history."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client.metrics_core import Metric

from service.metrics import definitions
from service.metrics.history import Point, RouteStats
from service.metrics.quantiles import Buckets, quantile, subtract

# Latencies of actions only. Probes and the documentation have other paths.
API_PREFIX = "/api/"

Sums = Mapping[str, float]


@dataclass(slots=True)
class RouteTotals:
    """The counters of one route, or of several routes together."""

    requests: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))  # by envelope status
    latencies: defaultdict[float, float] = field(default_factory=lambda: defaultdict(float))


@dataclass(frozen=True, slots=True)
class Totals:
    """All counters and gauges at one moment, summed over all processes."""

    api: RouteTotals  # every request that was answered with an envelope status
    by_route: Mapping[str, RouteTotals]  # by route below `/api/`
    lags: Buckets
    pool: Sums  # connections by state
    gauges: Sums  # by metric name, summed over its labels

    @property
    def restarts(self) -> float:
        """Processes restarted since the service started."""
        return self.gauges.get(f"{definitions.RESTARTS}_total", 0.0)


_NO_TOTALS = RouteTotals()


def aggregate(families: Iterable[Metric]) -> Totals:
    """Sum the collected metrics over all processes and labels."""
    api, by_route = RouteTotals(), defaultdict[str, RouteTotals](RouteTotals)
    lags: defaultdict[float, float] = defaultdict(float)
    pool: defaultdict[str, float] = defaultdict(float)
    gauges: defaultdict[str, float] = defaultdict(float)
    for sample in (sample for family in families for sample in family.samples):
        labels, value = sample.labels, sample.value
        if sample.name == f"{definitions.REQUESTS}_total":
            _add_requests(api, by_route, labels, value)
        elif sample.name == f"{definitions.REQUEST_SECONDS}_bucket":
            _add_latencies(api, by_route, labels, value)
        elif sample.name == f"{definitions.LOOP_LAG}_bucket":
            lags[_upper_bound(labels)] += value
        elif sample.name == definitions.POOL_CONNECTIONS:
            pool[labels["state"]] += value
        else:
            gauges[sample.name] += value
    return Totals(api, dict(by_route), lags, pool, gauges)


def point_between(at: datetime, seconds: float, before: Totals, after: Totals) -> Point:
    """The history point at `at` for the `seconds` between two totals. The fields read from the database are None."""
    return Point(
        at=at,
        api=_route_stats(seconds, before.api, after.api),
        by_route={
            route: _route_stats(seconds, before.by_route.get(route, _NO_TOTALS), totals)
            for route, totals in after.by_route.items()
            if any(totals.requests.values())
        },
        in_flight=_integer(after.gauges, definitions.IN_FLIGHT),
        pool_in_use=_integer(after.pool, "in_use"),
        pool_idle=_integer(after.pool, "idle"),
        pool_limit=_integer(after.gauges, definitions.POOL_LIMIT),
        pool_waiting=_integer(after.gauges, definitions.POOL_WAITING),
        loop_lag_seconds=quantile(0.99, subtract(after.lags, before.lags)),
        workers=_integer(after.gauges, definitions.WORKERS),
        worker_restarts=int(after.restarts),
        emails=None,
        oldest_pending_email_seconds=None,
        unacknowledged_notifications=None,
    )


def _add_requests(
    api: RouteTotals, by_route: Mapping[str, RouteTotals], labels: Mapping[str, str], value: float
) -> None:
    # Probes and the documentation answer without an envelope, so they have no status.
    if labels["status"] == definitions.NO_STATUS:
        return
    api.requests[labels["status"]] += value
    if labels["route"].startswith(API_PREFIX):
        by_route[labels["route"]].requests[labels["status"]] += value


def _add_latencies(
    api: RouteTotals, by_route: Mapping[str, RouteTotals], labels: Mapping[str, str], value: float
) -> None:
    if labels["route"].startswith(API_PREFIX):
        for totals in (api, by_route[labels["route"]]):
            totals.latencies[_upper_bound(labels)] += value


def _route_stats(seconds: float, before: RouteTotals, after: RouteTotals) -> RouteStats:
    latencies = subtract(after.latencies, before.latencies)
    return RouteStats(
        requests_per_second={
            status: max(total - before.requests.get(status, 0.0), 0.0) / seconds
            for status, total in after.requests.items()
        },
        p50_seconds=quantile(0.5, latencies),
        p95_seconds=quantile(0.95, latencies),
        p99_seconds=quantile(0.99, latencies),
    )


def _upper_bound(labels: Mapping[str, str]) -> float:
    return math.inf if labels["le"] == "+Inf" else float(labels["le"])


def _integer(values: Sums, name: str) -> int:
    return int(values.get(name, 0.0))
