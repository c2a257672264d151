"""Faults that concern some calls: the others, which share statements with them, must not notice."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

from tests.factories import Records
from tests.tools.ledger.callers import new_session
from tests.tools.ledger.faults.fault import fault, repeating
from tests.tools.ledger.faults.neighbours import flood, neighbours
from tests.tools.ledger.requests import Request
from tests.tools.ledger.service import http_get
from tests.tools.ledger.system import SystemUnderTest

# A read-only server must refuse a call within this time.
REFUSED_WITHIN_SECONDS = 1.0

FAR_DATES = ("20000-01-01", "infinity", "294276-12-31 23:59:59.999999+00")

FAIL_FOR_EVER = """
CREATE FUNCTION fail_for_ever() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE 'for ever' USING ERRCODE = 'serialization_failure'; END $$;
CREATE TRIGGER fail_for_ever BEFORE INSERT ON requirements FOR EACH ROW
WHEN (NEW.key = 'fails for ever') EXECUTE FUNCTION fail_for_ever();
"""
SUCCEED_AGAIN = "DROP TRIGGER fail_for_ever ON requirements; DROP FUNCTION fail_for_ever;"


def _naming_order(system: SystemUnderTest) -> Request:
    return system.load.requests.make(changes={"required": {"type": "Order", "id": 1}})


@contextlib.asynccontextmanager
async def _locked(system: SystemUnderTest, lock: str) -> AsyncIterator[None]:
    async with system.connection() as other, other.transaction():
        await other.execute(lock)
        yield


@fault(3, long=20, unknowns_per_second=0)
async def lock_an_association_table(system: SystemUnderTest) -> AsyncIterator[None]:
    """Another transaction alters an association table; some calls name it."""
    lock = "ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text"
    async with neighbours(system), flood(system, lambda: _naming_order(system), 20), _locked(system, lock):
        yield


@fault(3, long=20, unknowns_per_second=0)
async def lock_a_hot_row(system: SystemUnderTest) -> AsyncIterator[None]:
    """Another transaction holds the lock of a row that 500 calls a second name."""
    lock = "SELECT FROM orders WHERE id = 1 FOR UPDATE"
    async with neighbours(system), flood(system, lambda: _naming_order(system), 500), _locked(system, lock):
        yield


@fault(2, long=10, unknowns_per_second=0)
async def date_a_session_far_off(system: SystemUnderTest) -> AsyncIterator[None]:
    """Sessions have dates that neither RFC 3339 nor Python can express: their calls succeed."""
    async with system.connection() as connection, neighbours(system):
        callers = [await new_session(Records(connection)) for _ in FAR_DATES]
        for caller, date in zip(callers, FAR_DATES, strict=True):
            update = "UPDATE sessions SET created_at = $1::text::timestamptz, last_used_at = $1::text::timestamptz"
            await connection.execute(f"{update} WHERE id = $2", date, caller.session_id)
        numbers = itertools.count()

        def make() -> Request:
            number = next(numbers)
            views = {"session_view": "detailed", "application_view": "detailed"}
            return system.load.requests.make(
                caller=callers[number % len(callers)], keyed=number % 2 == 0, changes=views
            )

        async def call() -> None:
            results = [await system.load.attempt(make(), system.load.http_client()) for _ in range(4)]
            assert [result.outcome for result in results] == ["ok"] * 4, results

        async with repeating(call, 0.02):
            yield


@fault(2, long=10, unknowns_per_second=0)
async def fail_for_ever(system: SystemUnderTest) -> AsyncIterator[None]:
    """Some rows end their statement with an error that a retry usually fixes, every time."""
    await system.execute(FAIL_FOR_EVER)
    try:
        changes = {"key": "fails for ever"}
        async with neighbours(system), flood(system, lambda: system.load.requests.make(changes=changes), 20):
            yield
    finally:
        await system.execute(SUCCEED_AGAIN)


@fault(2, long=20, unknowns_per_second=0)
async def make_postgres_read_only(system: SystemUnderTest) -> AsyncIterator[None]:
    """PostgreSQL refuses writes: each call is refused at once, and /ready reports it."""
    await system.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        await _until_unready(system)
        async with repeating(lambda: _check_refused_at_once(system), 0.1):
            yield
    finally:
        await system.execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")


async def _until_unready(system: SystemUnderTest) -> None:
    async with asyncio.timeout(5):
        while True:
            answer = await http_get(system.service.port, "/ready")
            if answer is not None and b"read only" in answer.body:
                return


async def _check_refused_at_once(system: SystemUnderTest) -> None:
    began = system.history.now
    result = await system.load.attempt(system.load.requests.make(), system.load.http_client())
    assert (result.status, result.outcome_header) == ("application-crash", "none"), result
    assert system.history.now - began < REFUSED_WITHIN_SECONDS, f"refused after {system.history.now - began:.1f} s"
