"""The embedded PostgreSQL for as long as the service runs, started again should it end by itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from service.embedded_postgres.server import EmbeddedPostgresError, run_embedded

RESTART_PAUSE_SECONDS = 0.5

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def kept_running(data_folder: Path) -> AsyncIterator[str]:
    """The address of the PostgreSQL kept in `data_folder`. Raises `EmbeddedPostgresError` when it does not start."""
    async with contextlib.AsyncExitStack() as stack:
        # The first start is ours to wait for: what is wrong with it is for the person who typed the command.
        server = await stack.enter_async_context(run_embedded(data_folder))
        ended = asyncio.create_task(server.wait())
        first = stack.pop_all()
    keeping = asyncio.create_task(_keep(data_folder, first, ended))
    try:
        yield server.url
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping


async def _keep(data_folder: Path, running: contextlib.AsyncExitStack, ended: "asyncio.Task[int]") -> None:
    while True:
        async with running:
            log.error("postgres-ended", exit_code=await ended)
        running, ended = await _restarted(data_folder)


async def _restarted(data_folder: Path) -> tuple[contextlib.AsyncExitStack, "asyncio.Task[int]"]:
    while True:
        await asyncio.sleep(RESTART_PAUSE_SECONDS)
        stack = contextlib.AsyncExitStack()
        try:
            server = await stack.enter_async_context(run_embedded(data_folder))
        except EmbeddedPostgresError as error:
            log.error("postgres-not-started", reason=str(error))  # noqa: TRY400 - the reason says it all
        else:
            log.info("postgres-restarted")
            return stack, asyncio.create_task(server.wait())
