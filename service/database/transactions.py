"""Several statements in one transaction."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg

from service.database.errors import (
    READING_ERRORS,
    ConnectionLost,
    DatabaseError,
    ResultUnreadable,
    RetryableError,
    translate_statement_errors,
)
from service.database.pool import Database
from service.database.queries import QUERIES


class Transaction:
    """A transaction in progress, on a connection of `database`. `transaction` begins and ends it."""

    def __init__(self, database: Database, connection: asyncpg.Connection, deadline: float) -> None:
        """`deadline` is on the event loop's clock."""
        self._database = database
        self._connection = connection
        self._deadline = deadline
        self.usable = True  # whether the server would answer the next statement

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        """Run one statement and return its rows. Raises `DatabaseError`."""
        self._database.statements += 1
        self.usable = False
        try:
            with translate_statement_errors(READING_ERRORS):
                rows = await self._connection.fetch(query, *args, timeout=self._seconds_left())
        except DatabaseError as error:
            self.usable = not isinstance(error, ConnectionLost | ResultUnreadable)
            raise
        self.usable = True
        return rows

    async def run(self, command: str) -> None:
        """Run a command that begins or ends the transaction. Raises `DatabaseError`."""
        with translate_statement_errors():
            await self._connection.execute(command, timeout=self._seconds_left())

    def _seconds_left(self) -> float:
        left = self._deadline - asyncio.get_running_loop().time()
        return max(min(left, self._database.statement_timeout), 0.001)


@contextlib.asynccontextmanager
async def transaction(database: Database, timeout: float) -> AsyncIterator[Transaction]:
    """Run the statements of the block in one transaction, committed at its end. An exception rolls it back.

    `timeout`, in seconds, covers everything. Raises `DatabaseError`; only after `ConnectionLost` is it unknown whether
    the transaction was committed.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    finished = committing = False
    try:
        async with database.connection(timeout) as connection:
            running = Transaction(database, connection, deadline)
            await running.run(QUERIES["begin_transaction"])
            try:
                yield running
                finished = True
            finally:
                if not finished and running.usable:
                    await running.run(QUERIES["roll_back_transaction"])
            committing = True
            await running.run(QUERIES["commit_transaction"])
    except (ConnectionLost, ResultUnreadable) as error:
        if committing:
            raise
        # The server rolls back what was not committed.
        raise RetryableError(f"before the commit: {error}") from error
