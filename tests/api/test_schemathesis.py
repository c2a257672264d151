"""The service against its own OpenAPI document: schemathesis makes the requests and judges the answers.

It is held to every check that schemathesis has for a single request: documented codes, media types, headers and bodies,
no server error, what fits the schema accepted, what does not refused; and in sequences to the links of the document.
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

from service.config import Config
from tests.api.exchange import IDEMPOTENCY_KEY
from tests.conftest import Client
from tests.factories import CREATE, Records

Document = BaseSchema
Request = Case[Any]
Operation = APIOperation[Any, Any, Any, Any]

# The same requests in every run: what fails once fails again.
SETTINGS = settings(
    max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@dataclass
class Database:
    """What the document cannot know of the database: who may call, and what there is to refer to."""

    token: str
    ids: Mapping[str, int]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def fit(self, case: Request) -> Request:
        """The same case, failing for none but its own reasons."""
        assert case.meta is not None
        negated = {location.value for location, info in case.meta.components.items() if info.mode.is_negative}
        if case.media_type == "text/plain" and "body" not in negated:
            case.body = self._encoded(str(case.body))
        elif isinstance(case.body, dict):
            self._fit_params(case.body)
        if "Idempotency-Key" in case.headers and "header" not in negated:
            # A key that comes back with other params is refused, and rightly so.
            case.headers["Idempotency-Key"] = f"{case.headers['Idempotency-Key'][:200]}{next(self.numbers)}"
        return case

    def _encoded(self, text: str) -> str:
        # schemathesis knows no contentEncoding: what it draws is any text, which becomes the value of encoded params.
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
        # Of 7.0, which JSON Schema calls an integer and schemathesis therefore draws, the contract says that it is no
        # id. No schema can say so; the document does in words.
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
    """The service's own document, as schemathesis reads it."""
    return await asyncio.to_thread(schemathesis.openapi.from_url, str(client.make_url("/openapi.json")))


def ask(case: Request, database: Database) -> Response:
    """The answer to a request, which passed every check."""
    return case.call_and_validate(headers={"Authorization": f"Bearer {database.token}"})


async def each(operation: Operation, mode: GenerationMode, send: Callable[[Request], None]) -> None:
    """Send everything that schemathesis draws for the operation, in a thread beside the server's loop."""
    await asyncio.to_thread(SETTINGS(given(operation.as_strategy(generation_mode=mode))(send)))


async def test_what_fits_the_schema_is_recorded(document: Document, database: Database, records: Records) -> None:
    """Any request that the document allows creates a requirement, and is answered as the document says."""
    sent = itertools.count()

    def send(case: Request) -> None:
        response = ask(database.fit(case), database)
        assert response.json()["status"] == "action-successful"
        assert response.headers["requirement-outcome"] == ["created"]
        next(sent)

    await each(document[CREATE]["POST"], GenerationMode.POSITIVE, send)
    assert await records.count() == next(sent) >= 100


async def test_what_does_not_fit_the_schema_is_refused(
    document: Document, database: Database, records: Records
) -> None:
    """Any request that the document forbids is refused as the document says, and leaves no row."""

    def send(case: Request) -> None:
        response = ask(database.fit(case), database)
        assert response.headers["requirement-outcome"] == ["none"]

    await each(document[CREATE]["POST"], GenerationMode.NEGATIVE, send)
    assert await records.count() == 0


def machine(document: Document, database: Database, outcomes: Counter[str]) -> Any:
    """A state machine that follows the document's links, and holds a repeated key to the record it first gave."""
    records: dict[str, Any] = {}
    # Made from the document as it runs: no checker of types can know it.
    links: Any = document.as_state_machine()

    class Machine(links):  # type: ignore[misc]
        def before_call(self, case: Request) -> None:
            if case.headers.get(IDEMPOTENCY_KEY) not in records:
                database.fit(case)

        def get_call_kwargs(self, case: Request) -> dict[str, Any]:
            kwargs: dict[str, Any] = super().get_call_kwargs(case)
            return kwargs | {"headers": {"Authorization": f"Bearer {database.token}"}}

        def after_call(self, response: Response, case: Request) -> None:
            outcome, key = (
                response.headers.get("requirement-outcome", ["elsewhere"])[0],
                case.headers.get(IDEMPOTENCY_KEY),
            )
            outcomes[outcome] += 1
            if outcome == "created" and key:
                records[key] = response.json()["data"]
            if outcome == "replayed":
                assert response.json()["data"] == records[str(key)]

        def validate_response(self, response: Response, case: Request, **checks: Any) -> None:
            # A key that comes back with other params is refused, and rightly so.
            if response.status_code != 400 or case.headers.get(IDEMPOTENCY_KEY) not in records:
                super().validate_response(response, case, **checks)

    return Machine


async def test_sequences_keep_to_the_document(document: Document, database: Database, records: Records) -> None:
    """Whatever follows what, answers are as documented, and a request repeated with its key gives its first record."""
    outcomes: Counter[str] = Counter()
    limits = settings(SETTINGS, max_examples=15, stateful_step_count=6)
    await asyncio.to_thread(machine(document, database, outcomes).run, settings=limits)
    assert outcomes["replayed"] >= 3, outcomes
    assert await records.count() == outcomes["created"]


BESIDE = [
    ("/ping", "GET"),
    ("/ping", "HEAD"),
    ("/ready", "GET"),
    ("/ready", "HEAD"),
    ("/openapi.json", "GET"),
    ("/docs", "GET"),
]


@pytest.mark.parametrize(("path", "method"), BESIDE)
async def test_the_others_answer_as_documented(document: Document, database: Database, path: str, method: str) -> None:
    """What stands beside the API answers as the document says, too."""

    def send(case: Request) -> None:
        assert ask(case, database).status_code == 200

    await each(document[path][method], GenerationMode.POSITIVE, send)


def test_nothing_documented_is_left_out(document: Document) -> None:
    """Every operation of the document is sent requests here."""
    paths: dict[str, Any] = document.raw_schema["paths"]
    assert {(path, method.upper()) for path in paths for method in paths[path]} == {(CREATE, "POST"), *BESIDE}
