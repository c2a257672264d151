"""The application behind the internal listener: metrics for machines, the console for people."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from aiohttp import web

from service.admin import keys, metrics_endpoint
from service.admin.console import add_console
from service.admin.error_boundary import ops_error_boundary
from service.admin.history_sampler import watch
from service.config import Config
from service.config.resources import resource
from service.database.migrations import load_migrations
from service.database.pool import CONSOLE_POOL_SIZE, open_database
from service.metrics.database_stats import DatabaseStats
from service.metrics.history import History
from service.observability.background import in_background


def create_ops_app(config: Config, metrics_folder: Path) -> web.Application:
    """The internal listener as one independent application. It starts without the database, too.

    `metrics_folder` is where the service's processes leave what they measure.
    """
    app = web.Application(middlewares=[ops_error_boundary])
    app[keys.CONFIG] = config
    app[keys.METRICS_FOLDER] = metrics_folder
    app[keys.HISTORY] = History()
    app.cleanup_ctx.append(_opened)
    app.router.add_get("/metrics", metrics_endpoint.metrics)
    add_console(app)
    return app


async def _opened(app: web.Application) -> AsyncIterator[None]:
    settings = app[keys.CONFIG].database
    if settings.url is None:
        raise ValueError("the internal listener needs a database.url: `serve` sets that of the embedded PostgreSQL")
    # What people look for differs from page to page: each statement gets a plan of its own.
    async with open_database(replace(settings, pool_size=CONSOLE_POOL_SIZE), settings.url, planning={}) as database:
        app[keys.DATABASE] = database
        app[keys.DATABASE_STATS] = finder = DatabaseStats(database, load_migrations(resource("sql") / "migrations"))
        async with in_background("history", partial(watch, app[keys.HISTORY], app[keys.METRICS_FOLDER], finder)):
            yield
