"""The resources of the public application: opened in this order, closed in reverse."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
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
from service.api.worker_sampler import Sampler
from service.config import Config, DatabaseConfig
from service.config.resources import resource
from service.database.checks import check_database
from service.database.connection import connect
from service.database.migrations import load_migrations
from service.database.pool import Database, open_database
from service.mail.backoff import lease
from service.mail.lifespan import open_mail
from service.observability.background import in_background
from service.storage.requirements import EmailToQueue, RequirementStore

log = structlog.get_logger()


async def lifespan(app: web.Application) -> AsyncIterator[None]:
    """Open the database pools and everything that uses them. Returns after the first attempt to load the registry."""
    config = app[keys.CONFIG]
    known = load_migrations(resource("sql") / "migrations")

    async def connect_listener() -> asyncpg.Connection:
        return await connect(config.database, _url(config), "requirements-service registry")

    async def check(connection: asyncpg.Connection) -> None:
        for warning in await check_database(connection, config, known):
            log.warning("database-at-risk", reason=warning)

    async with (
        open_database(config.database, _url(config)) as database,
        open_database(_reading(config.database), _url(config), planning={}) as app[keys.READ_DATABASE],
        _mail(app, database),
    ):
        store = RequirementStore(database, config.associations, _email_to_queue(config))
        touch_interval = timedelta(seconds=config.sessions.touch_interval_seconds)
        app[keys.REGISTRY] = registry = RouteRegistry(connect_listener, check, config.registry.poll_seconds)
        app[keys.READINESS] = Readiness(database, known, registry)
        app[keys.AUTHENTICATOR] = authenticator = Authenticator(database, touch_interval)
        app[keys.WRITER] = writer = RequirementWriter(store, config.database)
        app[keys.CRASH_NOTIFIER] = crash_notifier = CrashNotifier(database)
        sampler = Sampler(app[keys.METRICS], (database, app[keys.READ_DATABASE]), registry, authenticator, writer)
        async with in_background("registry", registry.follow), in_background("sampler", sampler.run):
            await registry.attempted.wait()
            yield
        await writer.close()
        await authenticator.close()
        await crash_notifier.close()
        sampler.sample()


@contextlib.asynccontextmanager
async def _mail(app: web.Application, database: Database) -> AsyncIterator[None]:
    settings = app[keys.CONFIG].mandrill
    if not settings.enabled:
        if settings.api_key or settings.recipients:
            log.warning("no-emails", reason="mandrill.api_key and mandrill.recipients must both be set")
        yield
        return
    async with open_mail(database, settings) as (app[keys.EMAIL_SENDER], app[keys.DISPATCHER]):
        yield


async def stop_dispatching(app: web.Application) -> None:
    """Stop claiming e-mails; those being sent are finished while requests drain."""
    if keys.DISPATCHER in app:
        app[keys.DISPATCHER].stop()


def _email_to_queue(config: Config) -> EmailToQueue | None:
    """The e-mail to queue with each requirement, leased for the request's time and a grace period."""
    if not config.mandrill.enabled:
        return None
    return EmailToQueue(config.mandrill.recipients, lease(config.server.request_timeout_seconds))


def _reading(config: DatabaseConfig) -> DatabaseConfig:
    return replace(config, pool_size=config.read_pool_size)


def _url(config: Config) -> str:
    if config.database.url is None:
        raise ValueError("the application needs database.url; `serve` sets it for the embedded PostgreSQL")
    return config.database.url
