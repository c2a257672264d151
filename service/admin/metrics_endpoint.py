"""`/metrics`: the metrics of all processes and the database stats, in the text format of Prometheus."""

import platform
from collections.abc import Iterable, Iterator
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric

from service import __version__
from service.admin import keys
from service.metrics.database_stats import StatsSnapshot
from service.metrics.files import collect


async def metrics(request: web.Request) -> web.Response:
    """Handle GET /metrics. It needs no login, because no value comes from a caller."""
    stats = await request.app[keys.DATABASE_STATS].snapshot()
    body = render(request.app[keys.METRICS_FOLDER], stats)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"})


def render(folder: Path, stats: StatsSnapshot) -> bytes:
    """Render the metrics files in `folder` and the database stats. A number that is unknown is left out."""
    registry = CollectorRegistry()
    registry.register(_Families([*collect(folder), *_stats_families(stats)]))
    return generate_latest(registry)


class _Families:
    """A collector of metrics that were collected before."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._families


def _stats_families(stats: StatsSnapshot) -> Iterator[Metric]:
    build = GaugeMetricFamily(
        "requirements_build_info", "Version of the service and of Python.", labels=["version", "python"]
    )
    build.add_metric([__version__, platform.python_version()], 1)
    yield build
    yield _gauge("requirements_database_up", "1 if the database answers, else 0.", int(stats.database_up))
    if stats.pending_migrations is not None:
        yield _gauge(
            "requirements_migrations_pending",
            "Migrations of this build that are not applied.",
            stats.pending_migrations,
        )
    if stats.emails is not None:
        emails = GaugeMetricFamily("requirements_emails", "Stored e-mails, by state.", labels=["state"])
        for state, count in stats.emails.items():
            emails.add_metric([state], count)
        yield emails
    if stats.backlog is not None:
        yield _gauge(
            "requirements_oldest_pending_email_age_seconds",
            "Age of the oldest unsent e-mail; 0 if there is none.",
            stats.backlog.oldest_pending_email_seconds,
        )
        yield _gauge(
            "requirements_notifications_unacknowledged",
            "Unacknowledged notifications.",
            stats.backlog.unacknowledged_notifications,
        )
    if stats.changes_horizon_age_seconds is not None:
        yield _gauge(
            "requirements_changes_horizon_age_seconds",
            "Time for which the oldest open transaction of the server has been seen; later changes wait for its end.",
            stats.changes_horizon_age_seconds,
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
