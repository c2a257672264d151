"""The application behind the internal listener: metrics for machines, the console for people."""

from collections.abc import AsyncIterator
from dataclasses import replace

from aiohttp import web

from service import keys
from service.config import Config
from service.console import add_console
from service.database.pool import open_database
from service.metrics.history import History
from service.ops.error_boundary import ops_error_boundary

# A team looks on; the connections are the workers'.
POOL_SIZE = 4


def create_ops_app(config: Config) -> web.Application:
    """The internal listener as one independent application. It starts without the database, too."""
    app = web.Application(middlewares=[ops_error_boundary])
    app[keys.CONFIG] = config
    app[keys.HISTORY] = History()
    app.cleanup_ctx.append(_database)
    add_console(app)
    return app


async def _database(app: web.Application) -> AsyncIterator[None]:
    settings = app[keys.CONFIG].database
    if settings.url is None:
        raise ValueError("the internal listener needs a database.url: `serve` sets that of the embedded PostgreSQL")
    async with open_database(replace(settings, pool_size=POOL_SIZE), settings.url) as database:
        app[keys.DATABASE] = database
        yield
