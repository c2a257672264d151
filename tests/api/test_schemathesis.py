"""The service against its own OpenAPI document, with requests and checks by schemathesis.

All schemathesis checks of single requests apply: documented codes, media types, headers and bodies, no server error,
valid requests accepted, invalid ones refused. Sequences of requests follow the document's links.
"""

import asyncio
import base64
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode, Response

from service.api.actions import ACTIONS
from service.config import Config
from tests.api.exchange import IDEMPOTENCY_KEY
from tests.conftest import Client
from tests.factories import CREATE, Records

# The method and path of every action.
CALLS = [(method, action.path) for action in ACTIONS for method in action.methods]

Document = BaseSchema
Request = Case[Any]
Operation = APIOperation[Any, Any, Any, Any]

# Derandomised, so that a failure is reproducible.
SETTINGS = settings(
    max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


# For each of the two modes of each of the other actions. `make fuzz` sends more.
FEWER = settings(SETTINGS, max_examples=100)


@dataclass
class Database:
    """What the document does not contain: a valid token, and ids of existing records."""

    token: str
    ids: Mapping[str, int]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def fit(self, case: Request) -> Request:
        """Return the case with a valid token, existing ids and a fresh key, except in parts made invalid on purpose."""
        assert case.meta is not None
        negated = {location.value for location, info in case.meta.components.items() if info.mode.is_negative}
        if case.media_type == "text/plain" and "body" not in negated:
            case.body = self._encoded(str(case.body))
        elif isinstance(case.body, dict):
            self._fit_params(case.body)
        if "Idempotency-Key" in case.headers and "header" not in negated:
            # A reused key with other params is refused, as the contract says.
            case.headers["Idempotency-Key"] = f"{case.headers['Idempotency-Key'][:200]}-{next(self.numbers)}"
        return case

    def _encoded(self, text: str) -> str:
        # schemathesis ignores contentEncoding and generates any text: send that text as the value of valid params.
        reference = {"type": "User", "id": self.ids["User"]}
        value = text.replace("\0", "").encode("utf-8", "replace").decode()[:4096]
        params = {"required": reference, "requireable": reference, "value": value}
        return base64.b64encode(json.dumps(params).encode()).decode()

    def _fit_params(self, params: dict[str, Any]) -> None:
        if isinstance(params.get("token"), str) and params["token"]:
            params["token"] = self.token
        for name in ("required", "requireable"):
            reference = params.get(name)
            if isinstance(reference, dict) and self._fits(reference):
                reference["id"] = self.ids[reference["type"]]

    def _fits(self, reference: Mapping[str, Any]) -> bool:
        # JSON Schema treats 7.0 as an integer; the contract does not accept it as an id. No schema can express that.
        number: Any = reference.get("id")
        whole = type(number) is int or (type(number) is float and number.is_integer())
        return whole and 1 <= number < 2**63 and str(reference.get("type")) in self.ids


@pytest.fixture
async def database(config: Config, records: Records) -> Database:
    """A caller, and a record of every association type."""
    await records.deploy()
    application = await records.application()
    await records.user("client", "employee", "liaison")
    ids = {
        name: await records.connection.fetchval(f'SELECT min(id) FROM "{table}"')  # noqa: S608 - the shipped map
        for name, table in config.associations.items()
    }
    return Database(application.token, ids)


@pytest.fixture
async def document(client: Client) -> Document:
    """The service's own document, as loaded by schemathesis."""
    return await asyncio.to_thread(schemathesis.openapi.from_url, str(client.make_url("/openapi.json")))


def call_and_validate(case: Request, database: Database) -> Response:
    """Send a request, apply every check, and return the response."""
    return case.call_and_validate(headers={"Authorization": f"Bearer {database.token}"})


async def send_each(
    operation: Operation, mode: GenerationMode, send: Callable[[Request], None], limits: settings = SETTINGS
) -> None:
    """Send every request that schemathesis generates for the operation, in a thread beside the server's event loop."""
    await asyncio.to_thread(limits(given(operation.as_strategy(generation_mode=mode))(send)))


async def test_valid_requests_are_accepted(document: Document, database: Database, records: Records) -> None:
    """Every request that the document allows creates a requirement, with a documented response."""
    sent = itertools.count()

    def send(case: Request) -> None:
        response = call_and_validate(database.fit(case), database)
        assert response.json()["status"] == "action-successful"
        assert response.headers["requirement-outcome"] == ["created"]
        next(sent)

    await send_each(document[CREATE]["POST"], GenerationMode.POSITIVE, send)
    assert await records.count() == next(sent) >= 100


async def test_invalid_requests_are_refused(document: Document, database: Database, records: Records) -> None:
    """Every request that the document forbids is refused with a documented response, and stores no row."""

    def send(case: Request) -> None:
        response = call_and_validate(database.fit(case), database)
        assert response.headers["requirement-outcome"] == ["none"]

    await send_each(document[CREATE]["POST"], GenerationMode.NEGATIVE, send)
    assert await records.count() == 0


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("method", "path"), [call for call in CALLS if call[1] != CREATE])
async def test_responses_of_other_actions_are_documented(
    document: Document, database: Database, method: str, path: str, mode: GenerationMode
) -> None:
    """Whatever request is generated for an action, its response is documented and never a crash."""
    operation = document[path][method]

    def send(case: Request) -> None:
        if isinstance(case.body, dict):
            wait_seconds = case.body.get("wait_seconds")
            if type(wait_seconds) is int and wait_seconds > 0:
                # Nothing changes here: each wait would take its full time.
                case.body["wait_seconds"] = 0
        response = case.call(headers={"Authorization": f"Bearer {database.token}"})
        operation.validate_response(response)
        assert response.json()["status"] != "application-crash"

    await send_each(operation, mode, send, FEWER)


def state_machine(document: Document, database: Database, outcomes: Counter[str]) -> Any:
    """A state machine that follows the links of create and checks that a repeated key returns the same data."""
    records: dict[str, Any] = {}
    # Built from the document at run time, so its type is unknown to mypy.
    links: Any = document.include(path=CREATE).as_state_machine()

    class Machine(links):  # type: ignore[misc]
        def before_call(self, case: Request) -> None:
            if case.headers.get(IDEMPOTENCY_KEY) not in records:
                database.fit(case)

        def get_call_kwargs(self, case: Request) -> dict[str, Any]:
            kwargs: dict[str, Any] = super().get_call_kwargs(case)
            return kwargs | {"headers": {"Authorization": f"Bearer {database.token}"}}

        def after_call(self, response: Response, case: Request) -> None:
            outcome, key = (
                response.headers.get("requirement-outcome", ["no outcome"])[0],
                case.headers.get(IDEMPOTENCY_KEY),
            )
            outcomes[outcome] += 1
            if outcome == "created" and key:
                records[key] = response.json()["data"]
            if outcome == "replayed":
                assert response.json()["data"] == records[str(key)]

        def validate_response(self, response: Response, case: Request, **checks: Any) -> None:
            # A reused key with other params is refused, as the contract says.
            if response.status_code != 400 or case.headers.get(IDEMPOTENCY_KEY) not in records:
                super().validate_response(response, case, **checks)

    return Machine


async def test_sequences_are_as_documented(document: Document, database: Database, records: Records) -> None:
    """In any sequence responses are as documented, and a repeated key replays its first requirement."""
    outcomes: Counter[str] = Counter()
    limits = settings(SETTINGS, max_examples=30, stateful_step_count=8)
    await asyncio.to_thread(state_machine(document, database, outcomes).run, settings=limits)
    assert outcomes["replayed"] >= 3, outcomes
    assert await records.count() == outcomes["created"]


OTHER_ROUTES = [
    ("/ping", "GET"),
    ("/ping", "HEAD"),
    ("/ready", "GET"),
    ("/ready", "HEAD"),
    ("/openapi.json", "GET"),
    ("/docs", "GET"),
]


@pytest.mark.parametrize(("path", "method"), OTHER_ROUTES)
async def test_other_routes_are_as_documented(document: Document, database: Database, path: str, method: str) -> None:
    """The other routes answer as documented."""

    def send(case: Request) -> None:
        assert call_and_validate(case, database).status_code == 200

    await send_each(document[path][method], GenerationMode.POSITIVE, send)


def test_every_operation_is_tested(document: Document) -> None:
    """Every documented operation is tested here."""
    paths: dict[str, Any] = document.raw_schema["paths"]
    documented = {(path, method.upper()) for path in paths for method in paths[path]}
    assert documented == {*((path, method) for method, path in CALLS), *OTHER_ROUTES}
