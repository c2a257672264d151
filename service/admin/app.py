"""Create the application of the internal listener: the metrics endpoint and the console."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from aiohttp import web

from service.admin import keys, metrics_endpoint
from service.admin.console import add_console
from service.admin.error_boundary import admin_error_boundary
from service.admin.history_sampler import sample_history
from service.admin.known_host import known_host
from service.config import Config
from service.config.resources import resource
from service.database.migrations import load_migrations
from service.database.pool import CONSOLE_POOL_SIZE, open_database
from service.database.session import INDEX_SCANS
from service.metrics.database_stats import DatabaseStats
from service.metrics.history import History
from service.observability.background import in_background
from service.storage.registry import RouteName


def create_ops_app(config: Config, metrics_folder: Path, routes: Iterable[RouteName] = ()) -> web.Application:
    """Create the application of the internal listener. It also starts without the database.

    `metrics_folder` holds the metrics files of the service's processes. `routes` are those that this build answers:
    the console refuses to deploy a name that looks like one of them but is not. Raises `ConfigError` if the console
    has no password and none can be stored.
    """
    app = web.Application(middlewares=[admin_error_boundary, known_host])
    app[keys.CONFIG] = config
    app[keys.METRICS_FOLDER] = metrics_folder
    app[keys.HISTORY] = History()
    app[keys.ROUTES] = frozenset(routes)
    app.cleanup_ctx.append(_lifespan)
    app.router.add_get("/metrics", metrics_endpoint.metrics)
    add_console(app)
    return app


async def _lifespan(app: web.Application) -> AsyncIterator[None]:
    settings = app[keys.CONFIG].database
    if settings.url is None:
        raise ValueError("the internal listener needs a database.url: `serve` sets that of the embedded PostgreSQL")
    pool = replace(settings, pool_size=CONSOLE_POOL_SIZE)
    async with open_database(pool, settings.url, planning=INDEX_SCANS) as database:
        app[keys.DATABASE] = database
        app[keys.DATABASE_STATS] = database_stats = DatabaseStats(
            database, load_migrations(resource("sql") / "migrations")
        )
        sample = partial(sample_history, app[keys.HISTORY], app[keys.METRICS_FOLDER], database_stats)
        async with in_background("history", sample):
            yield
