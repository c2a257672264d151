"""Insert e-mails into the outbox without a request."""

import asyncpg

WRITE = """
WITH made AS (
    INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id)
    SELECT 'User', 1, 'User', number FROM generate_series(1, $1) AS number
    RETURNING id
)
INSERT INTO emails (requirement_id, recipients, attempts, sending, leased_until)
SELECT id, $2, $3, $4, now() + $5::integer * interval '1 second' FROM made
RETURNING id
"""

END_DELAYS = "UPDATE emails SET leased_until = now() WHERE state = 'pending' AND NOT sending"
EXPIRE = "UPDATE emails SET leased_until = now() WHERE state = 'pending'"


async def queue(
    connection: asyncpg.Connection,
    number: int = 1,
    *,
    recipients: tuple[str, ...] = ("ann@example.com", "Bob@example.com"),
    attempts: int = 1,
    leased_seconds: int | None = None,
) -> list[int]:
    """Insert e-mails and return their ids. They are due, or leased and being sent if `leased_seconds` is given."""
    sending = leased_seconds is not None
    rows = await connection.fetch(WRITE, number, recipients, attempts, sending, leased_seconds or 0)
    return [row["id"] for row in rows]
