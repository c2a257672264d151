"""`/metrics`: what all processes measured and what the database says, as Prometheus reads it."""

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
from service.metrics.database_stats import Facts
from service.metrics.files import read


async def metrics(request: web.Request) -> web.Response:
    """Everything that is measured. Nothing in it is a caller's, so it needs no login."""
    facts = await request.app[keys.DATABASE_STATS].facts()
    body = render(request.app[keys.METRICS_FOLDER], facts)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"})


def render(folder: Path, facts: Facts) -> bytes:
    """The metrics left in `folder`, and those made of `facts`, in the text format."""
    registry = CollectorRegistry()
    registry.register(_Families([*read(folder), *_families(facts)]))
    return generate_latest(registry)


class _Families:
    """Metrics collected beforehand, in the form that the library asks for."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(facts: Facts) -> Iterator[Metric]:
    build = GaugeMetricFamily("requirements_build_info", "Which build runs.", labels=["version", "python"])
    build.add_metric([__version__, platform.python_version()], 1)
    yield build
    yield _gauge("requirements_database_up", "Whether the database answers.", int(facts.database_up))
    if facts.pending_migrations is not None:
        yield _gauge(
            "requirements_migrations_pending", "Migrations of this build not applied yet.", facts.pending_migrations
        )
    if facts.emails is not None:
        emails = GaugeMetricFamily("requirements_emails", "E-mails kept, by state.", labels=["state"])
        for state, count in facts.emails.items():
            emails.add_metric([state], count)
        yield emails
    if facts.backlog is not None:
        yield _gauge(
            "requirements_oldest_pending_email_age_seconds",
            "How long the oldest e-mail not sent yet has waited; 0 when none waits.",
            facts.backlog.oldest_pending_email_seconds,
        )
        yield _gauge(
            "requirements_notifications_unacknowledged",
            "Notifications that nobody has acknowledged.",
            facts.backlog.unacknowledged_notifications,
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
