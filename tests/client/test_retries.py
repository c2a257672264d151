"""What is repeated, when, with which key, and for how long."""

import asyncio
import itertools
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from service.client import (
    ApplicationCrash,
    AsyncRequirements,
    InvalidParam,
    InvalidResponse,
    NoResponse,
    Reference,
    Requirements,
)
from tests.client.gateway import Fault, Gateway, answer, crash, cut, lose_response, say_little, say_nothing
from tests.factories import AppRecord, Records

KEY = "idempotency-key"
THING = Reference("User", 1)

# The most by which a call on a busy machine may end after its deadline.
LATE_SECONDS = 1.0


def keys(gateway: Gateway) -> list[str | None]:
    """The Idempotency-Key of each request that the gateway received."""
    return [received.headers.get(KEY) for received in gateway.received]


def pauses(gateway: Gateway) -> list[float]:
    """The seconds between one request and the next."""
    return [later.at - earlier.at for earlier, later in itertools.pairwise(gateway.received)]


@pytest.mark.parametrize(
    "fault",
    [lose_response, cut, crash("unknown"), crash("none"), crash("none", "0"), answer(502, "<html>"), answer(500, "")],
    ids=["lost response", "cut", "unknown", "none", "retry after", "bad gateway", "no envelope"],
)
async def test_a_write_is_repeated_with_its_key(
    requirements: AsyncRequirements, gateway: Gateway, records: Records, user: Reference, fault: Fault
) -> None:
    """After each kind of failure a create is repeated with the same Idempotency-Key, until it leaves one row."""
    gateway.faults.extend([fault] * 3)
    made = await requirements.create(user, user, value="once")
    assert [dict(row) for row in await records.connection.fetch("SELECT id, value FROM requirements")] == [
        {"id": made.id, "value": "once"}
    ]
    assert len(keys(gateway)) == 4
    assert len(set(keys(gateway))) == 1


async def test_a_change_is_repeated_with_its_key(
    requirements: AsyncRequirements, gateway: Gateway, user: Reference
) -> None:
    """An update and a destroy whose response is lost return the record, as if nothing had been lost."""
    made = await requirements.create(user, user)
    gateway.faults.append(lose_response)
    changed = await requirements.update(made.id, value="new", if_updated_at=made.updated_at)
    gateway.faults.append(lose_response)
    assert await requirements.destroy(made.id, if_updated_at=changed.updated_at) == changed
    first, *repeated = keys(gateway)
    assert repeated == [repeated[0]] * 2 + [repeated[2]] * 2
    assert len({first, *repeated}) == 3


async def test_every_write_has_a_key_of_its_own(
    requirements: AsyncRequirements, gateway: Gateway, records: Records, user: Reference
) -> None:
    """Two equal creates are two requirements; reads carry no key."""
    first, second = [await requirements.create(user, user) for _ in range(2)]
    await requirements.read(first.id)
    assert first.id != second.id
    assert await records.count() == 2
    assert keys(gateway)[2] is None
    assert len(set(keys(gateway))) == 3


async def test_a_key_of_the_caller(requirements: AsyncRequirements, gateway: Gateway, user: Reference) -> None:
    """The same `idempotency_key` returns the first result, and is refused with other arguments."""
    first, second = [await requirements.create(user, user, idempotency_key="order 7") for _ in range(2)]
    assert first == second
    assert keys(gateway) == ["order 7"] * 2
    with pytest.raises(InvalidParam, match="Idempotency-Key"):
        await requirements.create(user, user, value="other", idempotency_key="order 7")


async def test_one_request_id_for_all_attempts(
    requirements: AsyncRequirements, gateway: Gateway, user: Reference
) -> None:
    """All attempts of a call have one request id, another one than the next call."""
    gateway.faults.append(cut)
    await requirements.create(user, user)
    await requirements.create(user, user)
    first, again, other = [received.headers["x-request-id"] for received in gateway.received]
    assert first == again != other


@pytest.mark.parametrize("fault", [lose_response, crash("none"), answer(503, "away")])
async def test_a_read_is_repeated(
    requirements: AsyncRequirements, gateway: Gateway, user: Reference, fault: Fault
) -> None:
    """Reads are repeated too, an iterator's pages included."""
    made = await requirements.create(user, user)
    gateway.faults.extend([fault] * 2)
    assert await requirements.read(made.id) == made
    gateway.faults.append(fault)
    assert [page.results async for page in requirements.index()] == [(made,)]


async def test_what_the_caller_must_mend_is_not_repeated(requirements: AsyncRequirements, gateway: Gateway) -> None:
    """A refusal that repeating cannot change is raised after one request."""
    with pytest.raises(InvalidParam):
        await requirements.create(THING, Reference("User", 2**63 - 1))
    assert len(gateway.received) == 1


async def test_pauses_grow_and_differ(requirements: AsyncRequirements, gateway: Gateway, user: Reference) -> None:
    """The pauses between attempts grow, and two clients that fail together do not come back together."""
    gateway.faults.extend([crash("none")] * 4)
    await requirements.create(user, user)
    measured = pauses(gateway)
    for number, pause in enumerate(measured):
        assert 0.05 * 2**number <= pause
    gateway.received.clear()
    gateway.faults.extend([crash("none")] * 4)
    await requirements.create(user, user)
    assert max(abs(one - other) for one, other in zip(measured, pauses(gateway), strict=True)) > 0.001


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured(
    requirements: AsyncRequirements, gateway: Gateway, user: Reference, form: str
) -> None:
    """No attempt is made before the time that Retry-After says, in seconds or as a date."""
    # A date has whole seconds, so it says up to one second less.
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2.5), usegmt=False)
    gateway.faults.append(crash("none", "1" if form == "seconds" else date))
    await requirements.create(user, user)
    (pause,) = pauses(gateway)
    assert pause >= 1


async def test_a_retry_after_beyond_the_deadline(gateway: Gateway, application: AppRecord, user: Reference) -> None:
    """Where Retry-After lies beyond the deadline, the call fails at once instead of waiting in vain."""
    gateway.faults.append(crash("none", "60"))
    async with AsyncRequirements(gateway.url, application.token, deadline_seconds=20) as client:
        started = time.monotonic()
        with pytest.raises(ApplicationCrash) as caught:
            await client.create(user, user)
    assert time.monotonic() - started < LATE_SECONDS
    assert (caught.value.outcome, caught.value.request_id) == ("none", "of-the-crash")


async def assert_ends_at_deadline(call: Awaitable[object], seconds: float) -> NoResponse:
    """Assert that a call raises `NoResponse` at its deadline. Returns the exception."""
    started = time.monotonic()
    with pytest.raises(NoResponse) as caught:
        await call
    assert seconds <= time.monotonic() - started < seconds + LATE_SECONDS
    return caught.value


@pytest.mark.parametrize("fault", [say_nothing, say_little])
@pytest.mark.parametrize("blocking", [False, True])
async def test_the_deadline_is_that_of_the_whole_call(
    gateway: Gateway, application: AppRecord, fault: Fault, *, blocking: bool
) -> None:
    """A call ends at its deadline, also if the response comes byte by byte and never ends; the outcome is unknown."""
    gateway.faults.extend([fault] * 10)
    if blocking:
        with Requirements(gateway.url, application.token, deadline_seconds=1) as client:
            error = await assert_ends_at_deadline(asyncio.to_thread(client.create, THING, THING), 1)
    else:
        async with AsyncRequirements(gateway.url, application.token, deadline_seconds=1) as other:
            error = await assert_ends_at_deadline(other.create(THING, THING), 1)
    assert (error.status, error.outcome) == (None, "unknown")
    assert isinstance(error.__cause__, TimeoutError)
    assert [error.request_id] == [received.headers["x-request-id"] for received in gateway.received]


async def test_an_attempt_without_a_response_is_given_up(
    gateway: Gateway, application: AppRecord, user: Reference
) -> None:
    """After `attempt_seconds` without a response, the call is repeated on another connection."""
    gateway.faults.append(say_nothing)
    async with AsyncRequirements(gateway.url, application.token, attempt_seconds=0.3) as client:
        made = await client.create(user, user)
        assert await client.read(made.id) == made
    assert 0.3 <= pauses(gateway)[0] < 0.3 + LATE_SECONDS
    assert len(set(keys(gateway)[:2])) == 1


async def test_nobody_listens(application: AppRecord, unused_tcp_port: int) -> None:
    """Where nobody listens, nothing was written: the outcome is none."""
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with AsyncRequirements(url, application.token, deadline_seconds=0.5) as client:
        with pytest.raises(NoResponse, match="no connection") as caught:
            await client.create(THING, THING)
    assert caught.value.outcome == "none"


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [
        ([crash("none"), crash("none", "60")], "none"),
        ([lose_response, crash("none", "60")], "unknown"),
        ([crash("unknown"), crash("none"), crash("none", "60")], "unknown"),
        ([crash("none"), answer(404, "away")], "unknown"),
    ],
)
async def test_the_outcome_is_that_of_all_attempts(
    requirements: AsyncRequirements, gateway: Gateway, user: Reference, faults: list[Fault], outcome: str
) -> None:
    """The outcome is `none` only if no attempt can have written anything."""
    gateway.faults.extend(faults)
    with pytest.raises((ApplicationCrash, InvalidResponse)) as caught:
        await requirements.create(user, user)
    assert caught.value.outcome == outcome
    assert len(gateway.received) == len(faults)


async def test_a_refusal_after_a_lost_response_is_no_proof(
    requirements: AsyncRequirements, gateway: Gateway, records: Records, user: Reference
) -> None:
    """A refusal that follows a lost response has the outcome unknown: the first attempt may have written."""
    gateway.faults.append(cut)
    with pytest.raises(InvalidParam) as caught:
        await requirements.create(user, Reference("User", 2**63 - 1))
    assert caught.value.outcome == "unknown"
    assert await records.count() == 0
