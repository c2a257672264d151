"""Work that goes on beside the requests, and never ends unnoticed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import sentry_sdk
import structlog

RESTART_SECONDS = 1.0

log = structlog.get_logger()

Work = Callable[[], Awaitable[None]]


async def run_forever(name: str, work: Work) -> None:
    """Do `work`; whenever it fails, log and report that under `name`, and a second later begin anew.

    Returns when the work does. For errors that nothing foresaw: `work` is to handle whatever it can expect.
    """
    while True:
        try:
            await work()
        except Exception as error:
            log.exception("background-work-failed", work=name)
            sentry_sdk.capture_exception(error)
            await asyncio.sleep(RESTART_SECONDS)
        else:
            return


@contextlib.asynccontextmanager
async def in_background(name: str, work: Work) -> AsyncIterator[None]:
    """Have `work` go on meanwhile as `run_forever` does it; cancelled at the end."""
    task = asyncio.create_task(run_forever(name, work))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
