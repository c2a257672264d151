"""`serve`: the service itself, and the worker processes that it starts."""

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import click
import structlog

from service.admin.password import console_password
from service.cli.demo import DEMO_ROUTES, base_url, show_console, show_demo
from service.cli.options import CONFIG_PATH, ConfiguredCommand
from service.config import Config
from service.config.resources import resource
from service.database.checks import check_database
from service.database.connection import connect
from service.database.errors import ConnectionLost, DatabaseUnusable, NotConnected
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.supervised import kept_running
from service.observability import logs
from service.observability.secrets import protect
from service.serving.listener import listen
from service.serving.supervisor_signals import SupervisorSignals
from service.storage.demo import Demo, make_demo

log = structlog.get_logger()


@click.command(cls=ConfiguredCommand)
@click.option("--demo", "with_demo", is_flag=True, help="First migrate the embedded database and make demo records.")
@click.pass_context
def serve(context: click.Context, with_demo: bool) -> None:
    """Serve the API until SIGTERM or Ctrl-C; SIGHUP restarts its workers."""
    config: Config = context.obj
    if with_demo and config.database.url is not None:
        raise click.UsageError("--demo is for the embedded database: unset DATABASE_URL, or run `migrate` and `demo`")
    with (
        listen(config.server.host, config.server.port) as listener,
        logs.configure(config.logging.level, config.logging.format),
    ):
        protect(*config.secrets)
        asyncio.run(_serve(config, context.meta.get(CONFIG_PATH), listener, with_demo=with_demo))


@click.command(cls=ConfiguredCommand, hidden=True)
@click.argument("listener", type=int)
@click.argument("lifeline", type=int)
@click.argument("ready", type=int)
@click.argument("name")
@click.option("--if-ready", is_flag=True)
@click.pass_obj
def worker(config: Config, listener: int, lifeline: int, ready: int, name: str, *, if_ready: bool) -> int:
    """One worker process of `serve`, which starts it with open file descriptors."""
    # Importing the application takes longer than most commands run: only a worker needs it.
    from service.serving.worker import work  # noqa: PLC0415

    with socket.socket(fileno=listener) as shared:
        return 0 if work(config, shared, lifeline, ready, name, if_ready=if_ready) else 1


@click.command(cls=ConfiguredCommand, hidden=True)
@click.argument("listener", type=int)
@click.argument("lifeline", type=int)
@click.argument("ready", type=int)
@click.pass_obj
def console(config: Config, listener: int, lifeline: int, ready: int) -> None:
    """The process of the internal listener, which `serve` starts with open file descriptors."""
    # What it needs takes longer to import than most commands run.
    from service.serving.admin_process import show  # noqa: PLC0415

    with socket.socket(fileno=listener) as inherited:
        show(config, inherited, lifeline, ready)


async def _serve(config: Config, config_path: Path | None, listener: socket.socket, *, with_demo: bool) -> None:
    # The metrics that it keeps take longer to import than most commands run.
    from service.serving.supervisor import Supervisor  # noqa: PLC0415

    orders = SupervisorSignals()
    orders.listen()
    async with _database(config) as url:
        made = await _prepare(config, url, with_demo=with_demo)
        password = console_password(config)
        address = base_url(config.server.host, listener.getsockname()[1])

        def on_ready() -> None:
            log.info("serving", url=address, workers=config.server.workers, supervisor=os.getpid())
            if made is not None:
                show_demo(made, address)

        def on_console(url: str) -> None:
            log.info("console-listening", url=url)
            if made is not None:
                show_console(password, url)

        await Supervisor(config, config_path, listener, url, _check).run(orders, on_ready, on_console)
    log.info("stopped")


def _database(config: Config) -> contextlib.AbstractAsyncContextManager[str]:
    """The configured database's address, or that of an embedded one that runs as long as we do."""
    if config.database.url is not None:
        return contextlib.nullcontext(config.database.url)
    return kept_running(config.data_folder)


async def _prepare(config: Config, url: str, *, with_demo: bool) -> Demo | None:
    """Check the database before any worker does, so that what is wrong is said at once and plainly."""
    try:
        return await _checked(config, url, with_demo=with_demo)
    except DatabaseUnusable:
        raise
    except (NotConnected, ConnectionLost) as error:
        log.warning("database-away", reason=str(error), consequence="serving unready until it can be reached")
        return None


async def _check(config: Config, url: str) -> None:
    await _checked(config, url, with_demo=False)


async def _checked(config: Config, url: str, *, with_demo: bool) -> Demo | None:
    known = load_migrations(resource("sql") / "migrations")
    # A migration takes the time it takes; a database that no longer answers must not hold up a start for ever.
    limit = 0.0 if with_demo else None
    connection = await connect(config.database, url, "requirements-service start", statement_timeout_seconds=limit)
    try:
        if with_demo:
            await migrate(connection, known)
        for warning in await check_database(connection, config, known):
            log.warning("database-at-risk", reason=warning)
        return await make_demo(connection, DEMO_ROUTES) if with_demo else None
    finally:
        connection.terminate()
