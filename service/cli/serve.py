"""`serve`: the service, and the hidden commands of the processes that it starts."""

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import click
import structlog

from service.admin.password import console_password
from service.cli.database import audit_migration
from service.cli.demo import base_url, demo_lines, make_audited_demo
from service.cli.options import CONFIG_PATH, ConfiguredCommand
from service.config import Config
from service.config.resources import resource
from service.database.checks import check_database
from service.database.connection import APPLICATION_NAME, connect
from service.database.errors import ConnectionLost, DatabaseUnusable, NotConnected
from service.database.migrations import load_migrations, migrate
from service.embedded_postgres.supervised import run_supervised
from service.observability import logs
from service.observability.secrets import protect
from service.serving.listener import listen
from service.serving.signals import SupervisorSignals
from service.storage.demo import Demo

log = structlog.get_logger()


@click.command(cls=ConfiguredCommand)
@click.option("--demo", "with_demo", is_flag=True, help="Migrate the embedded database and create demo records first.")
@click.pass_context
def serve(context: click.Context, with_demo: bool) -> None:
    """Serve the API until SIGTERM or Ctrl-C. SIGHUP restarts the workers."""
    config: Config = context.obj
    if with_demo and config.database.url is not None:
        raise click.UsageError("--demo is for the embedded database: unset DATABASE_URL, or run `migrate` and `demo`")
    with (
        listen(config.server.host, config.server.port) as listener,
        logs.configure(config.logging.level, config.logging.format) as output,
    ):
        protect(*config.secrets)
        asyncio.run(_serve(config, context.meta.get(CONFIG_PATH), listener, output, with_demo=with_demo))


# The hidden commands below are started by the supervisor, which may be of another release: on SIGHUP, it runs the new
# code's command line. The arguments are open file descriptors, then options.


@click.command(cls=ConfiguredCommand, hidden=True)
@click.argument("listener", type=int)
@click.argument("lifeline", type=int)
@click.argument("ready", type=int)
@click.argument("name")
@click.option("--must-become-ready", "--if-ready", "must_become_ready", is_flag=True)  # older supervisors: --if-ready
@click.pass_obj
def worker(config: Config, listener: int, lifeline: int, ready: int, name: str, *, must_become_ready: bool) -> int:
    """Run one worker process of `serve`."""
    # Only a worker needs the application, which takes longer to import than most commands run.
    from service.serving.worker import run_worker  # noqa: PLC0415 - slow to import

    with socket.socket(fileno=listener) as shared:
        return 0 if run_worker(config, shared, lifeline, ready, name, must_become_ready=must_become_ready) else 1


@click.command(cls=ConfiguredCommand, hidden=True)
@click.argument("listener", type=int)
@click.argument("lifeline", type=int)
@click.argument("ready", type=int)
@click.pass_obj
def console(config: Config, listener: int, lifeline: int, ready: int) -> None:
    """Run the process of the internal listener."""
    # As above: the import takes longer than most commands run.
    from service.serving.admin_process import run_console  # noqa: PLC0415 - slow to import

    with socket.socket(fileno=listener) as inherited:
        run_console(config, inherited, lifeline, ready)


async def _serve(
    config: Config, config_path: Path | None, listener: socket.socket, output: logs.Logs, *, with_demo: bool
) -> None:
    # As above: the supervisor's metrics take longer to import than most commands run.
    from service.serving.supervisor import Supervisor  # noqa: PLC0415 - slow to import

    signals = SupervisorSignals()
    signals.listen()
    async with _database(config) as url:
        demo = await _prepare(config, url, with_demo=with_demo)
        password = console_password(config)
        address = base_url(config.server.host, listener.getsockname()[1])

        def on_serving() -> None:
            log.info("serving", url=address, workers=config.server.workers, supervisor=os.getpid())

        def on_started(console_url: str | None) -> None:
            if demo is not None:
                output.write_block(_start_block(demo, address, console_url, password))

        await Supervisor(config, config_path, listener, url, _check).run(signals, on_serving, on_started)
    log.info("stopped")


def _start_block(demo: Demo, address: str, console_url: str | None, password: str) -> list[str]:
    """What a person who tries the service needs, and how to stop it."""
    api, *tokens, call = demo_lines(demo, address)
    console = [] if console_url is None else [f"console            {console_url} with the password {password}"]
    return ["", api, *console, *tokens, "", "Create a requirement:", "", call, "", "Ctrl-C stops the service.", ""]


def _database(config: Config) -> contextlib.AbstractAsyncContextManager[str]:
    """The URL of the configured database, or of an embedded one that runs until the context ends."""
    if config.database.url is not None:
        return contextlib.nullcontext(config.database.url)
    return run_supervised(config.data_folder)


async def _prepare(config: Config, url: str, *, with_demo: bool) -> Demo | None:
    """Check the database before any worker starts, so that an error is one clear message.

    If the database cannot be reached, log that and return None. Raises `DatabaseError` for any other error.
    """
    try:
        return await _checked(config, url, with_demo=with_demo)
    except DatabaseUnusable:
        raise
    except (NotConnected, ConnectionLost) as error:
        consequence = "/ready fails until the database can be reached"
        log.warning("database-away", reason=str(error), consequence=consequence)
        return None


async def _check(config: Config, url: str) -> None:
    await _checked(config, url, with_demo=False)


async def _checked(config: Config, url: str, *, with_demo: bool) -> Demo | None:
    known = load_migrations(resource("sql") / "migrations")
    # Migrations have no timeout. Without them, a database that does not answer must not block the start.
    statement_timeout = 0.0 if with_demo else None
    connection = await connect(
        config.database, url, f"{APPLICATION_NAME} start", statement_timeout_seconds=statement_timeout
    )
    try:
        if with_demo:
            await migrate(connection, known, config.database.schema, audit_migration)
        for warning in await check_database(connection, config, known):
            log.warning("database-at-risk", reason=warning)
        return await make_audited_demo(connection) if with_demo else None
    finally:
        connection.terminate()
