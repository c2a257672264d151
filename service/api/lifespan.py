"""What the application holds while it runs: opened in this order, closed in reverse."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import structlog
from aiohttp import web

from service.api import keys
from service.api.authenticator import Authenticator
from service.api.crash_notifier import CrashNotifier
from service.api.readiness import Readiness
from service.api.requirement_writer import RequirementWriter
from service.api.route_registry import RouteRegistry
from service.api.sampler import Sampler
from service.config import Config
from service.config.resources import resource
from service.database.checks import check_database
from service.database.connection import connect
from service.database.migrations import load_migrations
from service.database.pool import Database, open_database
from service.mail.backoff import lease
from service.mail.lifespan import open_mail
from service.observability.background import in_background
from service.storage.requirements import Outgoing, RequirementStore

log = structlog.get_logger()


async def lifespan(app: web.Application) -> AsyncIterator[None]:
    """Open the database and what stands on it; return once the registry was loaded, or could not be yet."""
    config = app[keys.CONFIG]
    known = load_migrations(resource("sql") / "migrations")

    async def listener() -> asyncpg.Connection:
        return await connect(config.database, _url(config), "requirements-service registry")

    async def check(connection: asyncpg.Connection) -> None:
        for warning in await check_database(connection, config, known):
            log.warning("database-at-risk", reason=warning)

    async with open_database(config.database, _url(config)) as database, _mailing(app, database):
        store = RequirementStore(database, config.associations, _outgoing(config))
        app[keys.REGISTRY] = registry = RouteRegistry(listener, check, config.registry.poll_seconds)
        app[keys.HEALTH] = Readiness(database, known, registry)
        app[keys.AUTHENTICATOR] = authenticator = Authenticator(
            database, timedelta(seconds=config.sessions.touch_interval_seconds)
        )
        app[keys.RECORDER] = recorder = RequirementWriter(store, authenticator.admit, config.database)
        app[keys.CRASH_NOTIFIER] = crash_notifier = CrashNotifier(database)
        sampler = Sampler(app[keys.METRICS], database, registry, authenticator, recorder)
        async with in_background("registry", registry.follow), in_background("sampler", sampler.run):
            await registry.attempted.wait()
            yield
        await recorder.close()
        await authenticator.close()
        await crash_notifier.close()
        sampler.sample()


@contextlib.asynccontextmanager
async def _mailing(app: web.Application, database: Database) -> AsyncIterator[None]:
    settings = app[keys.CONFIG].mandrill
    if not settings.enabled:
        if settings.api_key or settings.recipients:
            log.warning("no-emails", reason="mandrill.api_key and mandrill.recipients must both be set")
        yield
        return
    async with open_mail(database, settings) as (app[keys.COURIER], app[keys.DISPATCHER]):
        yield


async def stop_dispatching(app: web.Application) -> None:
    """Let e-mails under way end while the requests under way do."""
    if keys.DISPATCHER in app:
        app[keys.DISPATCHER].stop()


def _outgoing(config: Config) -> Outgoing | None:
    """The e-mail to be written with each requirement: a request has until its own end to send it."""
    if not config.mandrill.enabled:
        return None
    return Outgoing(config.mandrill.recipients, lease(config.server.request_timeout_seconds))


def _url(config: Config) -> str:
    if config.database.url is None:
        raise ValueError("an application needs a database.url: `serve` sets that of the embedded PostgreSQL")
    return config.database.url
