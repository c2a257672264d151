"""The key that protects cursors. It is in the database, so that all workers share it and restarts keep it."""

from service.database.errors import DatabaseError
from service.database.queries import QUERIES
from service.storage.statements import Executor, fetch_first


async def read_cursor_key(executor: Executor) -> bytes:
    """The key. Raises a `DatabaseError`."""
    row = await fetch_first(executor, QUERIES["read_cursor_key"])
    if row is None:
        raise DatabaseError("the table cursor_keys is empty: INSERT INTO cursor_keys DEFAULT VALUES makes a new key")
    key: bytes = row["key"]
    return key
