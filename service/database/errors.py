"""What can go wrong with PostgreSQL, told apart by what became of the statement. Driver exceptions end here."""

import contextlib
from collections.abc import Iterator

import asyncpg


class DatabaseError(Exception):
    """PostgreSQL refused the statement, or failed at it: nothing of it was written."""


class NotConnected(DatabaseError):
    """No connection could be had in time: the statement was never sent."""


class DatabaseUnusable(NotConnected):
    """The address, the database's name or the credentials are wrong: trying again will not help."""


class ConnectionLost(DatabaseError):
    """The connection failed, or time ran out, after the statement was sent: it may have been carried out."""


class RetryableError(DatabaseError):
    """The statement was rolled back through no fault of its own and may be run again at once."""


class StatementTimeout(DatabaseError):
    """The statement waited too long, for a lock as a rule: nothing of it was written."""


class DataRejected(DatabaseError):
    """A value does not fit its type."""


class ConstraintViolated(DatabaseError):
    """The write would break a constraint."""


# Classes of SQLSTATE (its first two characters) and single codes, the more exact first.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_SQLSTATE: tuple[tuple[str, type[DatabaseError]], ...] = (
    ("40001", RetryableError),  # serialization failure
    ("40P01", RetryableError),  # deadlock
    ("0A000", RetryableError),  # cached plan must not change its result type: a migration changed a table meanwhile
    ("26000", RetryableError),  # the prepared statement is gone
    ("55P03", StatementTimeout),  # waited for a lock
    ("57014", StatementTimeout),  # by the statement timeout, or at an operator's request
    ("25006", ConnectionLost),  # a primary that has become a standby
    ("57P", ConnectionLost),  # shutting down, or starting up
    ("08", ConnectionLost),
    ("53", ConnectionLost),  # out of connections, memory or disk
    ("22", DataRejected),
    ("23", ConstraintViolated),
)


def translated(error: BaseException) -> DatabaseError:
    """The error of ours for one of the driver's, met after a statement was sent."""
    if isinstance(error, asyncpg.PostgresError):
        sqlstate = error.sqlstate or ""
        kind = next((kind for prefix, kind in _BY_SQLSTATE if sqlstate.startswith(prefix)), DatabaseError)
        return kind(f"{sqlstate} {error.args[0] if error.args else ''}".strip())
    if isinstance(error, asyncpg.UnsupportedClientFeatureError):
        return DataRejected(str(error))
    return ConnectionLost(_said(error))


def _said(error: BaseException) -> str:
    """A driver's error by its kind, and its words where it has any."""
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
    """Raise `NotConnected` for whatever the driver says while no statement has been sent yet."""
    try:
        yield
    except _UNUSABLE as error:
        raise DatabaseUnusable(str(error)) from error
    except DRIVER_ERRORS as error:
        raise NotConnected(_said(error)) from error


@contextlib.contextmanager
def translate_statement_errors() -> Iterator[None]:
    """Raise the `DatabaseError` that a driver's error amounts to once a statement is under way."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise translated(error) from error
