"""An embedded PostgreSQL that is restarted when it exits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from service.embedded_postgres.server import EmbeddedPostgresError, run_embedded

RESTART_PAUSE_SECONDS = 0.5

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def run_supervised(data_folder: Path) -> AsyncIterator[str]:
    """Run the PostgreSQL in `data_folder` until the context ends, and restart it when it exits. Yields its URL.

    Raises `EmbeddedPostgresError` if the first start fails. Later failures are logged and retried.
    """
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    supervision = asyncio.create_task(_supervise(data_folder, url))
    try:
        await asyncio.wait((url, supervision), return_when=asyncio.FIRST_COMPLETED)
        if not url.done():
            await supervision
        yield url.result()
    finally:
        supervision.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await supervision


async def _supervise(data_folder: Path, url: "asyncio.Future[str]") -> None:
    """Run the server in a loop. Set `url` after the first start, or raise `EmbeddedPostgresError` if that fails."""
    while True:
        try:
            async with run_embedded(data_folder) as server:
                if url.done():
                    log.info("postgres-restarted")
                else:
                    url.set_result(server.url)
                log.error("postgres-ended", exit_code=await server.wait())
        except EmbeddedPostgresError as error:
            if not url.done():
                raise
            log.error("postgres-not-started", reason=str(error))  # noqa: TRY400 - the reason is sufficient
        await asyncio.sleep(RESTART_PAUSE_SECONDS)
