"""Bringing everything to rest after a fault: ready again, nothing under way, every late write settled."""

import asyncio
import time

import asyncpg

from tests.tools.ledger.scene import Scene

REST_SECONDS = 30.0

# Whatever the service asked for and the server is still at, be its client long gone.
BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name LIKE 'requirements-service%' AND state IS DISTINCT FROM 'idle'
"""


async def come_to_rest(scene: Scene) -> None:
    """Return once no request is under way, every worker is ready, and the server has nothing to do for them.

    Raises TimeoutError.
    """
    await scene.load.pause()
    await scene.service.becomes_ready(REST_SECONDS)
    deadline = time.monotonic() + REST_SECONDS
    while await _busy(scene):
        if time.monotonic() > deadline:
            raise TimeoutError("the server is still at the service's statements")
        await asyncio.sleep(0.05)


async def _busy(scene: Scene) -> bool:
    try:
        async with scene.connection() as connection:
            return bool(await connection.fetchval(BUSY))
    except (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, OSError):
        return True
