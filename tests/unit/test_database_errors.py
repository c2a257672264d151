"""Translation of driver errors into database errors."""

import asyncpg
import pytest
from asyncpg.exceptions import _base

from service.database.errors import (
    READING_ERRORS,
    ConnectionLost,
    ConstraintViolated,
    DatabaseError,
    DatabaseUnusable,
    DataRejected,
    LockTimeout,
    NotConnected,
    ResultUnreadable,
    RetryableError,
    ServerReadOnly,
    StaleStatement,
    StatementTimeout,
    retry_pause,
    translate_connect_errors,
    translate_statement_errors,
)

# The class of each SQLSTATE that PostgreSQL knows, except for the single codes below.
CLASSES: dict[str, type[DatabaseError]] = {
    "08": ConnectionLost,
    "23": ConstraintViolated,
    "53": ConnectionLost,
}
CODES: dict[str, type[DatabaseError]] = {
    "0A000": StaleStatement,
    "22001": DataRejected,
    "22021": DataRejected,
    "22P05": DataRejected,
    "25006": ServerReadOnly,
    "26000": StaleStatement,
    "55P03": LockTimeout,
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
    "22003",
    "22008",
    "22012",
    "2200H",
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
    (asyncpg.DataError("too big"), DatabaseError, "22000 too big"),
    (_base.DataError("too big for the driver"), DataRejected, "too big for the driver"),
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


def test_a_result_that_the_driver_cannot_read() -> None:
    """Any exception of the driver's own code becomes `ResultUnreadable`; errors in the table keep their meaning."""
    with (
        pytest.raises(ResultUnreadable, match=r"^OverflowError: date value out of range$"),
        translate_statement_errors(READING_ERRORS),
    ):
        raise OverflowError("date value out of range")
    with pytest.raises(LockTimeout), translate_statement_errors(READING_ERRORS):
        raise server_error("55P03")


def test_retries_are_bounded_and_spread() -> None:
    """A stale statement is retried once; a deadlock at most four times, after pauses that grow and differ."""
    stale, deadlock = StaleStatement("0A000"), RetryableError("40P01")
    assert [retry_pause(stale, retries) is None for retries in range(2)] == [False, True]
    pauses = [retry_pause(deadlock, retries) for retries in range(5)]
    assert pauses[4] is None
    assert all(0.01 * 2**n <= (pauses[n] or 0) <= 0.03 * 2**n for n in range(4))
    assert len({retry_pause(deadlock, 0) for _ in range(20)}) > 1
