"""Write a history and the tables it is compared with, to plant violations in them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from tests.api.exchange import success
from tests.tools.ledger.callers import Population
from tests.tools.ledger.checker import check
from tests.tools.ledger.history import History
from tests.tools.ledger.outcomes import AttemptResult
from tests.tools.ledger.requests import Request, Requests
from tests.tools.ledger.subjects import Subject

FAILED = AttemptResult("fail", "application-crash", 500, "none")

INSERT = """
INSERT INTO requirements (
    required_type, required_id, requireable_type, requireable_id, key, value, application_id, user_id, session_id,
    request_id
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING *
"""

# The trigger for other software records the event; this adds what the service would have recorded.
ATTRIBUTE = """
UPDATE changes SET request_id = $1, application_id = $2, user_id = $3, session_id = $4
WHERE id = (SELECT max(id) FROM changes)
"""


class Ledger:
    """A history, and a connection to the tables it is compared with."""

    def __init__(self, history: History, connection: asyncpg.Connection, dsn: str, population: Population) -> None:
        self.history = history
        self.connection = connection
        self.dsn = dsn
        self.population = population
        self.requests = Requests(population, seed=1)

    async def insert(self, request: Request, **changes: Any) -> AttemptResult:
        """Insert the row of a create, with `changes` to its params; return the matching success."""
        sent, caller = request.params | changes, request.caller
        row = await self.connection.fetchrow(
            INSERT,
            *(sent["required"]["type"], sent["required"]["id"], sent["requireable"]["type"], sent["requireable"]["id"]),
            *(sent["key"], sent["value"], caller.application_id, caller.user_id, caller.session_id),
            request.marker,
        )
        assert row is not None
        return AttemptResult("ok", "action-successful", 200, "created", success(row)[1]["data"])

    async def change(self, request: Request, **changes: Any) -> AttemptResult:
        """Make an update or a destroy, with `changes` to its params, and its event; return the matching success."""
        sent, caller = request.params | changes, request.caller
        if request.action == "update":
            columns = [name for name in ("key", "value") if name in sent]
            assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, start=2))
            statement = f"UPDATE requirements SET {assignments} WHERE id = $1 RETURNING *"  # noqa: S608 - our own names
            row = await self.connection.fetchrow(statement, sent["id"], *(sent[name] for name in columns))
        else:
            row = await self.connection.fetchrow("DELETE FROM requirements WHERE id = $1 RETURNING *", sent["id"])
        assert row is not None
        await self.connection.execute(
            ATTRIBUTE, request.marker, caller.application_id, caller.user_id, caller.session_id
        )
        outcome = {"update": "updated", "destroy": "destroyed"}[request.action]
        return AttemptResult("ok", "action-successful", 200, outcome, success(row)[1]["data"])

    async def insert_all(self, request: Request) -> AttemptResult:
        """Insert the rows of a create_many; return the matching success."""
        items = [replace(request, params=item, action="create") for item in request.params["requirements"]]
        return _verdicts([await self.insert(item) for item in items])

    async def destroy_all(self, request: Request) -> AttemptResult:
        """Make a destroy_many, and its events; return the matching success."""
        items = [replace(request, params={"id": number}, action="destroy") for number in request.params["ids"]]
        return _verdicts([await self.change(item) for item in items])

    async def synced(
        self, request: Request, *, destroyed: Sequence[int] = (), kept: Sequence[Any] = ()
    ) -> AttemptResult:
        """Insert the rows of a sync's items that are not in `kept`, destroy others; return the matching success."""
        params = request.params
        results = [{"change": "kept", "requirement": record} for record in kept]
        values = [record["value"] for record in kept]
        for item in (one for one in params["requirements"] if one["value"] not in values):
            sent = item | {"requireable": params["requireable"]}
            made = await self.insert(replace(request, params=sent, action="create"))
            results.append({"change": "created", "requirement": made.data})
        for number in destroyed:
            gone = await self.change(replace(request, params={"id": number}, action="destroy"))
            results.append({"change": "destroyed", "requirement": gone.data})
        return AttemptResult("ok", "action-successful", 200, "mixed", {"results": results})

    async def as_service(self, statement: str, *args: Any) -> None:
        """Execute a statement as a broken service would: no event is recorded."""
        await self.connection.execute("SET requirements.origin = 'service'")
        await self.connection.execute(statement, *args)
        await self.connection.execute("RESET requirements.origin")

    async def subject(self) -> Subject:
        """Create a requirement that can be changed, with its history."""
        request = self.requests.make(changeable=True)
        result = await self.insert(request)
        self.record(request, result)
        assert result.data is not None
        return Subject(result.data["id"], request.caller, result.data)

    async def made(self, request: Request) -> AttemptResult:
        """Make an update or a destroy, with its history."""
        result = await self.change(request)
        self.record(request, result)
        return result

    def record(self, request: Request, *results: AttemptResult) -> None:
        """Record attempts at a request, one for each result."""
        for attempt, one in enumerate(results, start=1):
            self.history.sent(request, attempt)
            self.history.received(request, attempt, one)

    async def records(self) -> list[Any]:
        """Return the records of all rows."""
        return [success(row)[1]["data"] for row in await self.connection.fetch("SELECT * FROM requirements")]

    async def found(self) -> set[str]:
        """Return the kinds of violations found."""
        return {violation.kind for violation in await check(self.history, self.dsn)}


def _verdicts(results: Sequence[AttemptResult]) -> AttemptResult:
    """The success of a batch of which these are the results of the items."""
    items: list[Any] = [
        {"status": one.status, "outcome": one.outcome_header, "data": one.data, "errors": []} for one in results
    ]
    return AttemptResult("ok", "action-successful", 200, results[0].outcome_header, {"results": items})
