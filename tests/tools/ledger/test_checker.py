"""The checker finds each kind of broken promise where it was planted, and nothing where there is none."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.api.exchange import success
from tests.tools.ledger.callers import Caller, Population, populate
from tests.tools.ledger.checker import check
from tests.tools.ledger.history import History
from tests.tools.ledger.outcomes import NO_ANSWER, Seen
from tests.tools.ledger.requests import Request, Requests

FAILED = Seen("fail", "application-crash", 500, "none")

INSERT = """
INSERT INTO requirements (
    required_type, required_id, requireable_type, requireable_id, key, value, application_id, user_id, session_id
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING *
"""


class Book:
    """A history, and the table that it is to agree with."""

    def __init__(self, history: History, connection: asyncpg.Connection, dsn: str, population: Population) -> None:
        self.history = history
        self.connection = connection
        self.dsn = dsn
        self.requests = Requests(population, seed=1)

    async def insert(self, request: Request, **changes: Any) -> Seen:
        """Have the row of a request in the table, `changes` to it apart; the answer that tells of it."""
        sent, caller = request.params | changes, request.caller
        row = await self.connection.fetchrow(
            INSERT,
            *(sent["required"]["type"], sent["required"]["id"], sent["requireable"]["type"], sent["requireable"]["id"]),
            *(sent["key"], sent["value"], caller.application_id, caller.user_id, caller.session_id),
        )
        assert row is not None
        return Seen("ok", "action-successful", 200, "created", success(row)[1]["data"])

    def note(self, request: Request, *seen: Seen) -> None:
        """Have attempts at a request in the history."""
        for attempt, one in enumerate(seen, start=1):
            self.history.sent(request, attempt)
            self.history.saw(request, attempt, one)

    async def found(self) -> set[str]:
        """The kinds of violation that the checker finds."""
        return {violation.kind for violation in await check(self.history, self.dsn)}


@pytest.fixture
async def book(connection: asyncpg.Connection, database_url: str, tmp_path: Path) -> AsyncIterator[Book]:
    """An empty history, and an empty table."""
    with History(tmp_path / "history.jsonl") as history:
        yield Book(history, connection, database_url, await populate(connection, 2, 2))


async def test_a_clean_history(book: Book) -> None:
    """Successes with their row, failures without, unknowns with and without, retries and refusals are all in order."""
    make = book.requests.make
    for keyed in (False, True):
        request = make(keyed=keyed)
        book.note(request, await book.insert(request))
    retried = make(keyed=True)
    told = await book.insert(retried)
    replayed = Seen("ok", told.status, 200, "replayed", told.data)
    book.note(retried, NO_ANSWER, FAILED, replayed, replayed)
    there, never_seen = make(), make()
    await book.insert(there)
    await book.insert(never_seen)
    book.note(there, NO_ANSWER)
    book.history.sent(never_seen, 1)
    book.note(make(), NO_ANSWER)
    book.note(make(), FAILED)
    book.note(make(want="invalid-param"), Seen("fail", "invalid-param", 400, "none"))
    assert await book.found() == set()


async def acknowledged_and_lost(book: Book, request: Request) -> None:
    """A success whose row went away."""
    book.note(request, await book.insert(request))
    await book.connection.execute("DELETE FROM requirements")


async def doubled(book: Book, request: Request) -> None:
    """One request, and two rows."""
    book.note(request, await book.insert(request))
    await book.insert(request)


async def doubled_unknown(book: Book, request: Request) -> None:
    """An unknown outcome, and two rows."""
    book.note(request, NO_ANSWER)
    await book.insert(request)
    await book.insert(request)


async def failed_and_there(book: Book, request: Request) -> None:
    """A failure with a row."""
    book.note(request, FAILED)
    await book.insert(request)


async def another_id(book: Book, request: Request) -> None:
    """An answer with another id than the row's."""
    told = await book.insert(request)
    book.note(request, Seen("ok", told.status, 200, "created", {**(told.data or {}), "id": 9_999}))


async def another_value(book: Book, request: Request) -> None:
    """A row whose value is another than was sent, and told as it is."""
    book.note(request, await book.insert(request, value=f"{request.params['value']}?"))


async def another_caller(book: Book, request: Request) -> None:
    """A row recorded for somebody else."""
    other = Caller("somebody", "else", application_id=77)
    book.note(request, await book.insert(Request(request.marker, other, request.params)))


async def created_twice(book: Book, request: Request) -> None:
    """Two attempts that both claim to have created the one row."""
    told = await book.insert(request)
    book.note(request, told, told)


async def two_ids(book: Book, request: Request) -> None:
    """Two attempts that tell of two records."""
    first, second = await book.insert(request), await book.insert(request)
    book.note(request, first, second)


async def one_key_two_rows(book: Book, request: Request) -> None:
    """Two requirements under one Idempotency-Key."""
    for one in (request, book.requests.clash(request)):
        book.note(one, await book.insert(one))


async def from_nowhere(book: Book, request: Request) -> None:
    """A row that nobody sent."""
    await book.insert(request)


async def nonsense(book: Book, request: Request) -> None:
    """An answer that is none of the contract's."""
    book.note(request, Seen("violation", "no envelope", 500))


async def bad_params_accepted(book: Book, request: Request) -> None:
    """A success for what had to be refused."""
    bad = Request(request.marker, request.caller, request.params, want="invalid-token")
    book.note(bad, await book.insert(bad))


async def misjudged(book: Book, request: Request) -> None:
    """A live token that is told to be none."""
    book.note(request, Seen("fail", "invalid-token", 401, "none"))


async def revoked_and_accepted(book: Book, request: Request) -> None:
    """A success for a token after its revocation was committed."""
    book.history.rule(request.caller.name, "invalid-token", book.history.now, must=True)
    book.note(request, await book.insert(request))


Plant = Callable[[Book, Request], Awaitable[None]]
PLANTS: dict[Plant, set[str]] = {
    acknowledged_and_lost: {"acknowledged, but not there"},
    doubled: {"more than one row"},
    doubled_unknown: {"more than one row"},
    failed_and_there: {"failed, but there"},
    another_id: {"answered unlike its row"},
    another_value: {"recorded unlike what was sent"},
    another_caller: {"recorded unlike what was sent"},
    created_twice: {"created more than once"},
    two_ids: {"more than one row", "answered with several ids"},
    one_key_two_rows: {"several rows for one Idempotency-Key"},
    from_nowhere: {"not in the history"},
    nonsense: {"no answer that the contract knows"},
    bad_params_accepted: {"succeeded, but must not"},
    misjudged: {"misjudged"},
    revoked_and_accepted: {"succeeded against a rule"},
}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
async def test_a_planted_violation(book: Book, plant: Plant) -> None:
    """Each kind is found by its name, in a history that is otherwise in order."""
    fine = book.requests.make()
    book.note(fine, await book.insert(fine))
    await plant(book, book.requests.make(keyed=True))
    assert await book.found() >= PLANTS[plant]


async def test_a_change_excuses_what_it_brings_about(book: Book) -> None:
    """A refusal is no misjudgement while somebody changes what it is about, and only then and for them."""
    request, other = book.requests.make(), book.requests.make(caller=Caller("another", "token"))
    began = book.history.now
    book.note(request, refused := Seen("fail", "invalid-token", 401, "none"))
    book.history.rule(request.caller.name, "invalid-token", began, book.history.now, must=False)
    assert await book.found() == set()
    book.note(other, refused)
    assert await book.found() == {"misjudged"}


async def test_a_part_of_a_history(book: Book) -> None:
    """From a position on, only what was sent later is judged, together with earlier attempts at the same."""
    book.note(lost := book.requests.make(), await book.insert(lost))
    await book.connection.execute("DELETE FROM requirements")
    replayed = book.requests.make(keyed=True)
    book.note(replayed, await book.insert(replayed))
    position = book.history.position
    book.history.sent(replayed, 2)
    book.history.saw(replayed, 2, FAILED)
    book.note(fine := book.requests.make(), await book.insert(fine))
    assert await check(book.history, book.dsn, since=position) == []
    assert [violation.marker for violation in await check(book.history, book.dsn)] == [lost.marker]
