"""Wait until the service is ready again and no write is in flight."""

import asyncio
import time

import asyncpg

from tests.tools.ledger.system import SystemUnderTest

IDLE_TIMEOUT_SECONDS = 30.0

# Statements of the service that the server still executes, even after their client has disconnected.
BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name LIKE 'requirements-service%' AND state IS DISTINCT FROM 'idle'
"""


async def wait_until_idle(system: SystemUnderTest) -> None:
    """Pause the load; return once every worker is ready and the server executes no statement of theirs.

    Raises TimeoutError.
    """
    await system.load.pause()
    await system.service.wait_ready(IDLE_TIMEOUT_SECONDS)
    deadline = time.monotonic() + IDLE_TIMEOUT_SECONDS
    while await _active(system):
        if time.monotonic() > deadline:
            raise TimeoutError("the server still executes statements of the service")
        await asyncio.sleep(0.05)


async def _active(system: SystemUnderTest) -> bool:
    try:
        async with system.connection() as connection:
            return bool(await connection.fetchval(BUSY))
    except (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, OSError):
        return True
