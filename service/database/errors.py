"""Database errors, classified by whether the statement was carried out. Driver exceptions never leave `database`.

* DatabaseError                 refused or failed; nothing was written, except maybe after ConnectionLost
  + NotConnected                no connection in time; the statement was not sent
    - DatabaseUnusable          wrong address, database name or credentials; do not retry
  + ConnectionLost              lost after sending; the statement may have been carried out
  + RetryableError              rolled back, for example by a deadlock; retry at once
  + StatementTimeout            waited too long, usually for a lock; this statement wrote nothing
  + DataRejected                a value does not fit its type
  + ConstraintViolated          the write would break a constraint
  + MigrationError              in `migrations`: a migration cannot be applied
  + UnfitDatabaseError          in `checks`: the service must not use this database
    - UnfitAssociationError     in `checks`: a configured association type cannot be used
"""

import contextlib
from collections.abc import Iterator

import asyncpg


class DatabaseError(Exception):
    """PostgreSQL refused the statement, or it failed. It wrote nothing, except maybe after `ConnectionLost`."""


class NotConnected(DatabaseError):
    """No connection was available in time. The statement was not sent."""


class DatabaseUnusable(NotConnected):
    """The address, the database name or the credentials are wrong. Retrying does not help."""


class ConnectionLost(DatabaseError):
    """The connection failed, or the deadline passed, after the statement was sent. It may have been carried out."""


class RetryableError(DatabaseError):
    """PostgreSQL rolled the statement back for a reason outside it. It can be retried at once."""


class StatementTimeout(DatabaseError):
    """The statement took too long, usually because it waited for a lock. This statement wrote nothing."""


class DataRejected(DatabaseError):
    """A value does not fit its type."""


class ConstraintViolated(DatabaseError):
    """The write would break a constraint."""


# SQLSTATE codes and prefixes. The first match wins, so a code stands before its class (the first two characters).
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_SQLSTATE: tuple[tuple[str, type[DatabaseError]], ...] = (
    ("40001", RetryableError),  # serialization failure
    ("40P01", RetryableError),  # deadlock
    ("0A000", RetryableError),  # "cached plan must not change result type": a migration has just changed the table
    ("26000", RetryableError),  # the prepared statement no longer exists
    ("55P03", StatementTimeout),  # lock timeout
    ("57014", StatementTimeout),  # statement timeout, or cancelled by an operator
    ("25006", ConnectionLost),  # read-only transaction: the primary has become a standby
    ("57P", ConnectionLost),  # shutting down, or starting up
    ("08", ConnectionLost),
    ("53", ConnectionLost),  # out of connections, memory or disk
    ("22", DataRejected),
    ("23", ConstraintViolated),
)


def translate(error: BaseException) -> DatabaseError:
    """Return the `DatabaseError` for a driver error that was raised after a statement was sent."""
    if isinstance(error, asyncpg.PostgresError):
        sqlstate = error.sqlstate or ""
        kind = next((kind for prefix, kind in _BY_SQLSTATE if sqlstate.startswith(prefix)), DatabaseError)
        return kind(f"{sqlstate} {error.args[0] if error.args else ''}".strip())
    if isinstance(error, asyncpg.UnsupportedClientFeatureError):
        return DataRejected(str(error))
    return ConnectionLost(_describe(error))


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
def translate_statement_errors() -> Iterator[None]:
    """Raise driver errors as the matching `DatabaseError`. Use it around statements."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise translate(error) from error
