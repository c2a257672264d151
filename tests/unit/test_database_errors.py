"""Translation of driver errors into database errors."""

import asyncpg
import pytest

from service.database.errors import (
    ConnectionLost,
    ConstraintViolated,
    DatabaseError,
    DatabaseUnusable,
    DataRejected,
    NotConnected,
    RetryableError,
    StatementTimeout,
    translate_connect_errors,
    translate_statement_errors,
)

# The class of each SQLSTATE that PostgreSQL knows, except for the single codes below.
CLASSES: dict[str, type[DatabaseError]] = {
    "08": ConnectionLost,
    "22": DataRejected,
    "23": ConstraintViolated,
    "53": ConnectionLost,
}
CODES: dict[str, type[DatabaseError]] = {
    "0A000": RetryableError,
    "25006": ConnectionLost,
    "26000": RetryableError,
    "55P03": StatementTimeout,
    "57014": StatementTimeout,
    "40001": RetryableError,
    "40P01": RetryableError,
    "57P01": ConnectionLost,
    "57P02": ConnectionLost,
    "57P03": ConnectionLost,
    "57P04": ConnectionLost,
    "57P05": ConnectionLost,
}

# Bugs and refusals: not retried, and nothing was written.
PLAIN = [
    "21000",
    "25P02",
    "25P03",
    "40002",
    "40003",
    "42501",
    "42601",
    "42703",
    "42P01",
    "58030",
    "XX000",
]

SQLSTATES = sorted(
    error.sqlstate
    for error in vars(asyncpg).values()
    # Classes 01 and 02 are warnings, which are not raised.
    if isinstance(error, type) and issubclass(error, asyncpg.PostgresError) and (error.sqlstate or "0")[:2] > "02"
)

WITHOUT_SQLSTATE = [
    (asyncpg.InterfaceError("closed"), ConnectionLost, "InterfaceError: closed"),
    (asyncpg.InternalClientError("confused"), ConnectionLost, "InternalClientError: confused"),
    (ConnectionResetError(104, "reset"), ConnectionLost, "ConnectionResetError: [Errno 104] reset"),
    (OSError("gone"), ConnectionLost, "OSError: gone"),
    (TimeoutError(), ConnectionLost, "TimeoutError"),
    (asyncpg.DataError("too big"), DataRejected, "22000 too big"),
    (asyncpg.UnsupportedClientFeatureError("no such type"), DataRejected, "no such type"),
]


def translated(error: BaseException) -> DatabaseError:
    """The database error for a driver error raised while a statement runs."""
    with pytest.raises(DatabaseError) as raised, translate_statement_errors():
        raise error
    assert raised.value.__cause__ is error
    return raised.value


def server_error(sqlstate: str) -> asyncpg.PostgresError:
    """The driver error for a SQLSTATE."""
    return asyncpg.PostgresError.new({"C": sqlstate, "M": "server message"})


def test_codes_of_the_driver() -> None:
    """The driver defines the codes that the tests below use."""
    assert len(SQLSTATES) > 200
    assert set(CODES) <= set(SQLSTATES)


@pytest.mark.parametrize("sqlstate", SQLSTATES)
def test_each_code(sqlstate: str) -> None:
    """Each SQLSTATE code becomes the error in the table, and others a plain `DatabaseError`."""
    error = translated(server_error(sqlstate))
    assert type(error) is CODES.get(sqlstate, CLASSES.get(sqlstate[:2], DatabaseError))
    assert str(error) == f"{sqlstate} server message"


@pytest.mark.parametrize("sqlstate", PLAIN)
def test_codes_that_are_not_retried(sqlstate: str) -> None:
    """An error that neither a retry nor another connection fixes becomes a plain `DatabaseError`."""
    assert type(translated(server_error(sqlstate))) is DatabaseError


@pytest.mark.parametrize(("error", "kind", "message"), WITHOUT_SQLSTATE)
def test_errors_of_the_driver_itself(error: BaseException, kind: type[DatabaseError], message: str) -> None:
    """Errors of the connection become `ConnectionLost`; values that cannot be encoded become `DataRejected`."""
    result = translated(error)
    assert (type(result), str(result)) == (kind, message)


@pytest.mark.parametrize(
    "error", [server_error(state) for state in ("08006", "53300", "57P03")] + [OSError("x"), TimeoutError()]
)
def test_errors_before_a_statement_is_sent(error: BaseException) -> None:
    """While connecting, driver errors become `NotConnected`."""
    with pytest.raises(NotConnected) as raised, translate_connect_errors():
        raise error
    assert type(raised.value) is NotConnected


@pytest.mark.parametrize(
    "error",
    [server_error("28P01"), server_error("28000"), server_error("3D000"), asyncpg.ClientConfigurationError("bad")],
)
def test_errors_that_a_retry_does_not_fix(error: BaseException) -> None:
    """A wrong address, database name or password becomes `DatabaseUnusable`."""
    with pytest.raises(DatabaseUnusable), translate_connect_errors():
        raise error


def test_other_errors() -> None:
    """Errors that are not the driver's are not translated."""
    with pytest.raises(KeyError), translate_statement_errors(), translate_connect_errors():
        raise KeyError
