"""What a driver's error amounts to: whether the statement may have been carried out, and may be run again."""

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

# Bugs and refusals: loud, and nothing was written.
LOUD = [
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
    # Classes 01 and 02 are warnings, which nobody raises.
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


def met(error: BaseException) -> DatabaseError:
    """What `error` becomes, met while a statement runs."""
    with pytest.raises(DatabaseError) as raised, translate_statement_errors():
        raise error
    assert raised.value.__cause__ is error
    return raised.value


def of(sqlstate: str) -> asyncpg.PostgresError:
    """The driver's error for a SQLSTATE."""
    return asyncpg.PostgresError.new({"C": sqlstate, "M": "said the server"})


def test_the_driver_knows_the_codes() -> None:
    """The list below is not empty by mistake."""
    assert len(SQLSTATES) > 200
    assert set(CODES) <= set(SQLSTATES)


@pytest.mark.parametrize("sqlstate", SQLSTATES)
def test_each_code_is_of_its_kind(sqlstate: str) -> None:
    """Every code of PostgreSQL is what the table says, and any other a plain refusal."""
    error = met(of(sqlstate))
    assert type(error) is CODES.get(sqlstate, CLASSES.get(sqlstate[:2], DatabaseError))
    assert str(error) == f"{sqlstate} said the server"


@pytest.mark.parametrize("sqlstate", LOUD)
def test_a_bug_is_loud(sqlstate: str) -> None:
    """What no retry and no other connection mends is none of the kinds."""
    assert type(met(of(sqlstate))) is DatabaseError


@pytest.mark.parametrize(("error", "kind", "said"), WITHOUT_SQLSTATE)
def test_errors_of_the_driver_itself(error: BaseException, kind: type[DatabaseError], said: str) -> None:
    """A lost connection leaves the outcome open; a value that cannot be sent was never sent."""
    found = met(error)
    assert (type(found), str(found)) == (kind, said)


@pytest.mark.parametrize("error", [of(state) for state in ("08006", "53300", "57P03")] + [OSError("x"), TimeoutError()])
def test_before_a_statement_is_sent_the_database_is_away(error: BaseException) -> None:
    """While a connection is sought, nothing can have been carried out."""
    with pytest.raises(NotConnected) as raised, translate_connect_errors():
        raise error
    assert type(raised.value) is NotConnected


@pytest.mark.parametrize("error", [of("28P01"), of("28000"), of("3D000"), asyncpg.ClientConfigurationError("bad")])
def test_what_trying_again_will_not_help(error: BaseException) -> None:
    """A wrong address, name or password is told apart from a database that is away."""
    with pytest.raises(DatabaseUnusable), translate_connect_errors():
        raise error


def test_other_errors_pass() -> None:
    """What is no driver's error is nobody's to translate."""
    with pytest.raises(KeyError), translate_statement_errors(), translate_connect_errors():
        raise KeyError
