"""The resources of the public application: opened in this order, closed in reverse."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import asyncpg
import structlog
from aiohttp import web

from service.api import keys
from service.api.authenticator import Authenticator
from service.api.change_watcher import MAX_WAITING, ChangeWatcher
from service.api.crash_notifier import CrashNotifier
from service.api.readiness import Readiness
from service.api.replica_reads import ReplicaReads
from service.api.requirement_batch_writer import RequirementBatchWriter
from service.api.requirement_changer import RequirementChanger
from service.api.requirement_writer import RequirementWriter
from service.api.route_registry import RouteRegistry
from service.api.turns import Turns
from service.api.worker_sampler import Sampler
from service.config import Config, DatabaseConfig
from service.config.resources import resource
from service.database.checks import check_database
from service.database.connection import APPLICATION_NAME, connect
from service.database.migrations import load_migrations
from service.database.pool import Database, open_database
from service.database.replica import Replica
from service.database.session import INDEX_SCANS
from service.mail.backoff import lease
from service.mail.lifespan import open_mail
from service.observability.background import in_background
from service.storage.requirement_batches import RequirementBatchStore
from service.storage.requirement_feed import read_newest_position
from service.storage.requirement_syncs import RequirementSyncStore
from service.storage.requirements import EmailToQueue, RequirementStore

log = structlog.get_logger()


async def lifespan(app: web.Application) -> AsyncIterator[None]:
    """Open the database pools and everything that uses them. Returns after the first attempt to load the registry."""
    config = app[keys.CONFIG]
    known = load_migrations(resource("sql") / "migrations")

    async def connect_listener() -> asyncpg.Connection:
        return await connect(config.database, _url(config), f"{APPLICATION_NAME} registry")

    async def check(connection: asyncpg.Connection) -> None:
        for warning in await check_database(connection, config, known):
            log.warning("database-at-risk", reason=warning)

    async with (
        open_database(config.database, _url(config)) as database,
        open_database(_reading(config.database), _url(config), planning=INDEX_SCANS, refuse_standby=True) as app[
            keys.READ_DATABASE
        ],
        _mail(app, database),
        _batches(config) as (batch_database, app[keys.BATCH_WRITER]),
        _watching_changes(app),
        _replica(app) as replica_reads,
    ):
        store = RequirementStore(database, config.association_tables, _email_to_queue(config))
        app[keys.REGISTRY] = registry = RouteRegistry(connect_listener, check, config.registry.poll_seconds)
        app[keys.READINESS] = Readiness(database, known, registry, replica_reads.replica if replica_reads else None)
        app[keys.AUTHENTICATOR] = authenticator = Authenticator(database, _touch_interval(config))
        app[keys.WRITER] = writer = RequirementWriter(store, config.database, config.server.max_waiting // 2)
        app[keys.CHANGER] = changer = _changer(config, database)
        app[keys.CRASH_NOTIFIER] = crash_notifier = CrashNotifier(database)
        databases = (database, app[keys.READ_DATABASE], batch_database)
        sampler = Sampler(app[keys.METRICS], databases, registry, authenticator, writer, replica_reads)
        async with in_background("registry", registry.follow), in_background("sampler", sampler.run):
            await registry.attempted.wait()
            yield
        await writer.close()
        await changer.close()
        await authenticator.close()
        await crash_notifier.close()
        sampler.sample()


@contextlib.asynccontextmanager
async def _batches(config: Config) -> AsyncIterator[tuple[Database, RequirementBatchWriter]]:
    """The writer of batches, and the pool that it has to itself; at the end, wait for the batches in progress."""
    async with open_database(_batching(config.database), _url(config)) as database:
        recipients = config.mandrill.recipients if config.mandrill.enabled else None
        batches = RequirementBatchStore(database, config.association_tables, recipients)
        writer = RequirementBatchWriter(batches, RequirementSyncStore(database, batches), config.database)
        yield database, writer
        await writer.close()


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


@contextlib.asynccontextmanager
async def _watching_changes(app: web.Application) -> AsyncIterator[None]:
    turns = Turns(max(app[keys.CONFIG].database.read_pool_size - 1, 1), MAX_WAITING)
    watcher = ChangeWatcher(turns, partial(read_newest_position, app[keys.READ_DATABASE]))
    app[keys.CHANGE_WATCHER] = watcher
    async with in_background("change watcher", watcher.run):
        yield


@contextlib.asynccontextmanager
async def _replica(app: web.Application) -> AsyncIterator[ReplicaReads | None]:
    """The reads from the replica, which is looked at in the background; None if there is no replica."""
    config = app[keys.CONFIG]
    if config.database.replica_url is None:
        yield None
        return
    async with open_database(replace(config.database, pool_size=1), _url(config)) as primary:
        replica = Replica(config.database, config.database.replica_url, primary)
        app[keys.REPLICA_READS] = reads = ReplicaReads(replica)
        async with in_background("replica", replica.follow):
            yield reads
        await reads.close()


def _changer(config: Config, database: Database) -> RequirementChanger:
    max_blocked, all_seen = config.server.max_waiting // 4, config.requirements.clients_see == "all"
    return RequirementChanger(database, config.database, max_blocked, clients_see_all=all_seen)


async def stop_dispatching(app: web.Application) -> None:
    """Stop claiming e-mails; those being sent are finished while requests drain."""
    if keys.DISPATCHER in app:
        app[keys.DISPATCHER].stop()


async def stop_waiting(app: web.Application) -> None:
    """Answer the calls that wait for a change, now and from now on."""
    app[keys.CHANGE_WATCHER].stop()


def _email_to_queue(config: Config) -> EmailToQueue | None:
    """The e-mail to queue with each requirement, leased for the request's time and a grace period."""
    if not config.mandrill.enabled:
        return None
    return EmailToQueue(config.mandrill.recipients, lease(config.server.request_timeout_seconds))


def _touch_interval(config: Config) -> timedelta:
    return timedelta(seconds=config.sessions.touch_interval_seconds)


def _batching(config: DatabaseConfig) -> DatabaseConfig:
    return replace(config, pool_size=config.batch_pool_size)


def _reading(config: DatabaseConfig) -> DatabaseConfig:
    return replace(config, pool_size=config.read_pool_size)


def _url(config: Config) -> str:
    if config.database.url is None:
        raise ValueError("the application needs database.url; `serve` sets it for the embedded PostgreSQL")
    return config.database.url
