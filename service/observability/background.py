"""Background tasks that are restarted, logged and reported when they fail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from service.observability import error_reports

RESTART_SECONDS = 1.0

log = structlog.get_logger()

Work = Callable[[], Awaitable[None]]


async def run_forever(name: str, work: Work) -> None:
    """Run `work` until it returns. If it raises, log and report the error under `name` and restart it after a second.

    This is for unexpected errors: `work` handles the expected ones itself.
    """
    while True:
        try:
            await work()
        except Exception as error:
            log.exception("background-work-failed", work=name)
            error_reports.report(error)
            await asyncio.sleep(RESTART_SECONDS)
        else:
            return


@contextlib.asynccontextmanager
async def in_background(name: str, work: Work) -> AsyncIterator[None]:
    """Run `work` with `run_forever` in a task for the duration of the block, and cancel the task at the end."""
    task = asyncio.create_task(run_forever(name, work))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
