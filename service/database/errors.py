"""Database errors, classified by whether the statement was carried out. Driver exceptions never leave `database`.

* DatabaseError                 refused or failed; nothing was written, except maybe after ConnectionLost
  + NotConnected                no connection in time; the statement was not sent
    - DatabaseUnusable          wrong address, database name or credentials; do not retry
  + ConnectionLost              lost after sending; the statement may have been carried out
  + ResultUnreadable            the statement may have been carried out; its result could not be read
  + RetryableError              rolled back, for example by a deadlock; retry alone, after `retry_pause`
    - StaleStatement            the tables changed; retry once
  + ServerReadOnly              the server accepts no writes
  + StatementTimeout            waited too long, usually for a lock; this statement wrote nothing
    - LockTimeout               waited too long for a lock
  + DataRejected                a value that was sent does not fit its column
  + ConstraintViolated          the write would break a constraint
  + MigrationError              in `migrations`: a migration cannot be applied
  + UnfitDatabaseError          in `checks`: the service must not use this database
    - UnfitAssociationError     in `checks`: a configured association type cannot be used
"""

import contextlib
import random
from collections.abc import Iterator

import asyncpg


class DatabaseError(Exception):
    """PostgreSQL refused the statement, or it failed.

    It wrote nothing, except maybe after `ConnectionLost` or `ResultUnreadable`.
    """


class NotConnected(DatabaseError):
    """No connection was available in time. The statement was not sent."""


class DatabaseUnusable(NotConnected):
    """The address, the database name or the credentials are wrong. Retrying does not help."""


class ConnectionLost(DatabaseError):
    """The connection failed, or the deadline passed, after the statement was sent. It may have been carried out."""


class ResultUnreadable(DatabaseError):
    """The driver failed, usually on a value in the result. The statement may have been carried out."""


class RetryableError(DatabaseError):
    """PostgreSQL rolled the statement back for a reason outside it. `retry_pause` says when to retry it."""


class StaleStatement(RetryableError):
    """The tables have changed since the statement was prepared, or no longer allow it. A second retry is useless."""


class ServerReadOnly(DatabaseError):
    """The server accepts no writes, for example because it is a standby. This statement wrote nothing."""


class StatementTimeout(DatabaseError):
    """The statement took too long, usually because it waited for a lock. This statement wrote nothing."""


class LockTimeout(StatementTimeout):
    """The statement waited too long for a lock. This statement wrote nothing."""


class DataRejected(DatabaseError):
    """A value that was sent does not fit its column."""


class ConstraintViolated(DatabaseError):
    """The write would break a constraint."""


# SQLSTATE codes and prefixes. The first match wins, so a code stands before its class (the first two characters).
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_SQLSTATE: tuple[tuple[str, type[DatabaseError]], ...] = (
    ("40001", RetryableError),  # serialization failure
    ("40P01", RetryableError),  # deadlock
    ("0A000", StaleStatement),  # "cached plan must not change result type": a migration has just changed the table
    ("26000", StaleStatement),  # the prepared statement no longer exists
    ("55P03", LockTimeout),
    ("57014", StatementTimeout),  # statement timeout, or cancelled by an operator
    ("25006", ServerReadOnly),  # for example, the primary has become a standby
    ("57P", ConnectionLost),  # shutting down, or starting up
    ("08", ConnectionLost),
    ("53", ConnectionLost),  # out of connections, memory or disk
    # The other codes of class 22 come from values that are stored, or from someone's trigger: nothing that was sent can
    # cause them.
    ("22001", DataRejected),  # text is longer than its column
    ("22021", DataRejected),  # text is not valid in the server's encoding
    ("22P05", DataRejected),  # text cannot be converted to the server's encoding
    ("23", ConstraintViolated),
)

# Pauses before the first retry of a RetryableError and between the next ones, each twice as long as the one before.
FIRST_RETRY_PAUSE_SECONDS = 0.02
MAX_RETRIES = 4


# Errors that concern the server or a table, not a row: the parts of a shared statement would meet them one by one, too.
NOT_OF_A_ROW = (ConnectionLost, NotConnected, ServerReadOnly, StatementTimeout)


def translate(error: BaseException) -> DatabaseError:
    """Return the `DatabaseError` for a driver error that was raised after a statement was sent."""
    if isinstance(error, asyncpg.PostgresError):
        sqlstate = error.sqlstate or ""
        kind = next((kind for prefix, kind in _BY_SQLSTATE if sqlstate.startswith(prefix)), DatabaseError)
        return kind(f"{sqlstate} {error.args[0] if error.args else ''}".strip())
    # The driver raises an InterfaceError that is also a ValueError for a value that it cannot encode: nothing was sent.
    if isinstance(error, asyncpg.UnsupportedClientFeatureError) or (
        isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)
    ):
        return DataRejected(str(error))
    return ConnectionLost(_describe(error))


def retry_pause(error: RetryableError, retries: int) -> float | None:
    """Return the seconds to wait before the statement is retried, or None if it must not be retried again.

    `retries` is how often it was retried already. The pause is random, so that statements that met do not meet again.
    """
    if retries >= (1 if isinstance(error, StaleStatement) else MAX_RETRIES):
        return None
    return FIRST_RETRY_PAUSE_SECONDS * 2.0**retries * random.uniform(0.5, 1.5)  # noqa: S311 - jitter need not be secret


def _describe(error: BaseException) -> str:
    """Return the error's class name, followed by its message if it has one."""
    return ": ".join(filter(None, (type(error).__name__, str(error))))


DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
# What the driver's own code may raise when it reads a value that it does not expect.
READING_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
_UNUSABLE = (
    asyncpg.ClientConfigurationError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


@contextlib.contextmanager
def translate_connect_errors() -> Iterator[None]:
    """Raise driver errors as `NotConnected` or `DatabaseUnusable`. Use it where no statement has been sent yet."""
    try:
        yield
    except _UNUSABLE as error:
        raise DatabaseUnusable(str(error)) from error
    except DRIVER_ERRORS as error:
        raise NotConnected(_describe(error)) from error


@contextlib.contextmanager
def translate_statement_errors(unreadable: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise driver errors as the matching `DatabaseError`. Use it around statements.

    Around a single call of the driver, pass `READING_ERRORS`: these are raised as `ResultUnreadable`.
    """
    try:
        yield
    except DRIVER_ERRORS as error:
        raise translate(error) from error
    except unreadable as error:
        raise ResultUnreadable(_describe(error)) from error
