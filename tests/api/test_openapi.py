"""The OpenAPI document: it matches the contract and is generated from the service's own definitions."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis.openapi.checks import JsonSchemaError

from service import __version__
from service.api.action import Action
from service.api.actions import ACTIONS
from service.api.openapi import render_document
from service.api.openapi.examples import TOKEN_PLACEHOLDER
from service.domain.statuses import STATUSES
from service.storage.demo import make_demo
from tests.conftest import Client
from tests.factories import CREATE, ROUTES, Records, params

TYPES = ("Application", "Service", "User")
DOCUMENT: dict[str, Any] = json.loads(
    render_document(ACTIONS, {action.name: action.params(TYPES) for action in ACTIONS})
)
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATION = DOCUMENT["paths"][CREATE]["post"]
CONTENT = OPERATION["requestBody"]["content"]
EXAMPLES = [
    (code, name, example["value"])
    for code, response in OPERATION["responses"].items()
    for name, example in response["content"]["application/json"]["examples"].items()
]
EXAMPLES_BY_STATUS = {name: value for _, name, value in EXAMPLES}
HEADERS = {"X-Request-ID": ["1"], "Cache-Control": ["no-store"], "Requirement-Outcome": ["none"]}


def schemathesis_response(code: int, body: object) -> schemathesis.Response:
    """A schemathesis response of the create route."""
    request = requests.Request("POST", f"http://127.0.0.1{CREATE}").prepare()
    headers = HEADERS | {"Content-Type": ["application/json; charset=utf-8"]}
    return schemathesis.Response(code, headers, json.dumps(body).encode(), request, elapsed=0, verify=False)


def validate(code: int, body: object) -> None:
    """Raise unless the document allows this response of a create."""
    schemathesis.openapi.from_dict(DOCUMENT)[CREATE]["POST"].validate_response(schemathesis_response(code, body))


def status_names(schema: dict[str, Any]) -> set[str]:
    """The names of the statuses that a response's schema allows."""
    names = {choice["$ref"].rpartition("/")[2] for choice in schema.get("oneOf", [schema])}
    return {SCHEMAS[name]["properties"]["status"]["const"] for name in names}


def test_it_is_openapi_3_1() -> None:
    """The document is valid OpenAPI 3.1 and has the version of the service."""
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["version"] == __version__
    schemathesis.openapi.from_dict(DOCUMENT).validate()


def test_it_says_where_the_service_is_and_whose_it_is() -> None:
    """The document names a server, relative to itself, the license and a contact."""
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/"]
    assert DOCUMENT["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
    assert DOCUMENT["info"]["contact"]["name"]


def test_it_lists_exactly_the_routes() -> None:
    """The document has exactly the paths and methods of the contract."""
    assert {path: set(operations) for path, operations in DOCUMENT["paths"].items()} == {
        **{action.path: {method.lower() for method in action.methods} for action in ACTIONS},
        "/ping": {"get", "head"},
        "/ready": {"get", "head"},
        "/openapi.json": {"get"},
        "/docs": {"get"},
    }


def test_every_status_is_under_its_code() -> None:
    """Each status of the contract is documented under its HTTP code, and under no other."""
    assert {
        code: status_names(response["content"]["application/json"]["schema"])
        for code, response in OPERATION["responses"].items()
    } == {
        "200": {"action-successful"},
        "400": {
            "missing-param",
            "invalid-param",
            "invalid-content-type",
            "no-params-decoded",
            "invalid-encoded-params",
        },
        "401": {"invalid-token", "session-expired", "client-required"},
        "404": {"route-not-found", "service-not-found"},
        "500": {"application-crash", "mandrill-email-failed", "route-non-existent", "identify-request-error"},
    }


def test_every_status_has_an_example() -> None:
    """Every status has one example, named after it."""
    assert {name: value["status"] for _, name, value in EXAMPLES} == {status.name: status.name for status in STATUSES}


@pytest.mark.parametrize(("code", "name", "value"), EXAMPLES, ids=[name for _, name, _ in EXAMPLES])
def test_every_example_fits_its_schema(code: str, name: str, value: dict[str, Any]) -> None:
    """Each example is valid for its own status only."""
    validate(int(code), value)
    with pytest.raises(JsonSchemaError):
        validate(int(code), value | {"status": f"not-{name}"})


@pytest.mark.parametrize(
    "changes",
    [
        {"data": None},
        {"data": {"id": 1}},
        {"errors": [{"param": "key", "message": "…"}]},
        {"cause": "…"},
        {"session": {"id": 1}},
        {"request_id": None},
    ],
    ids=["no record", "fields missing", "errors on a success", "unknown member", "unknown view", "no request_id"],
)
def test_no_other_envelope_is_allowed(changes: dict[str, Any]) -> None:
    """The envelope's schema rejects missing, additional and contradictory members."""
    (success,) = (value for _, status, value in EXAMPLES if status == "action-successful")
    with pytest.raises(JsonSchemaError):
        validate(200, success | changes)


def test_headers_of_responses() -> None:
    """Every response documents its headers; Retry-After only with application-crash."""
    always = {"X-Request-ID", "Cache-Control", "Requirement-Outcome"}
    assert {code: set(response["headers"]) for code, response in OPERATION["responses"].items()} == {
        "200": always,
        "400": always,
        "401": always,
        "404": always,
        "500": always | {"Retry-After"},
    }
    shared, own = OPERATION["responses"]["200"]["headers"]["Requirement-Outcome"]["schema"]["allOf"]
    assert own == {"enum": ["created", "replayed", "none", "unknown"]}
    assert shared == {"$ref": "#/components/schemas/RequirementOutcome"}
    assert set(SCHEMAS["RequirementOutcome"]["enum"]) == {outcome for action in ACTIONS for outcome in action.outcomes}


def test_headers_and_media_types_of_requests() -> None:
    """The request's media types, headers and Bearer authentication are documented."""
    assert set(CONTENT) == {"application/json", "text/plain"}
    assert CONTENT["text/plain"]["schema"]["contentEncoding"] == "base64"
    assert {parameter["name"] for parameter in OPERATION["parameters"]} == {"Idempotency-Key", "X-Request-ID"}
    assert OPERATION["security"] == [{"bearer": []}, {}]
    assert DOCUMENT["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_reads_that_a_replica_may_answer() -> None:
    """Their operations, and no others, have the param `fresh`, and the headers X-Read-After and X-Read-From."""
    for action in ACTIONS:
        operation = DOCUMENT["paths"][action.path]["post"]
        answers = {code for code, told in operation["responses"].items() if "X-Read-From" in told["headers"]}
        assert answers == ({"200"} if action.reads_replicas else set())
        asked = "X-Read-After" in {parameter["name"] for parameter in operation["parameters"]}
        assert asked is ("fresh" in SCHEMAS[action.params_component]["properties"]) is action.reads_replicas


def test_params_are_those_of_the_schema() -> None:
    """The documented rules of each param are those of the marshmallow schema."""
    views = [
        {"anyOf": [{"$ref": f"#/components/schemas/{name}View"}, {"type": "null"}]}
        for name in ("Session", "Application")
    ]
    text = {"type": ["string", "null"], "pattern": "^[^\\u0000]*$"}
    schema = SCHEMAS["CreateRequirement"]
    rules = {
        name: {key: rule for key, rule in param.items() if key != "description"}
        for name, param in schema["properties"].items()
    }
    assert rules == {
        "token": {"type": "string", "minLength": 1},
        "required": {"$ref": "#/components/schemas/Reference"},
        "requireable": {"$ref": "#/components/schemas/Reference"},
        "key": {**text, "maxLength": 255},
        "value": {**text, "maxLength": 4096},
        "session_view": views[0],
        "application_view": views[1],
    }
    for name in ("SessionView", "ApplicationView"):
        assert SCHEMAS[name] == {"type": "string", "enum": ["default", "detailed"]}
    assert sorted(schema["required"]) == ["requireable", "required"]


def test_references_are_of_the_configured_types() -> None:
    """References have the configured types, and ids are PostgreSQL's positive bigints."""
    reference = SCHEMAS["Reference"]
    assert reference["properties"]["type"] == {"type": "string", "enum": list(TYPES)}
    number = reference["properties"]["id"]
    assert (number["type"], number["format"]) == ("integer", "int64")
    assert (number["minimum"], number["maximum"]) == (1, 2**63 - 1)
    assert sorted(reference["required"]) == ["id", "type"]


def test_names_in_answers_are_open() -> None:
    """An answer with an association type or a role that was added later is valid. The types in params are listed."""
    (success,) = (value for _, status, value in EXAMPLES if status == "action-successful")
    session = {
        **EXAMPLES_BY_STATUS["client-required"]["session"],
        "user": {"id": 5, "email": "a@b"},
        "roles": ["pilot"],
    }
    reference = {"type": "Ship", "id": 1}
    validate(200, {**success, "data": {**success["data"], "required": reference}, "session": session})
    assert "enum" not in SCHEMAS["StoredReference"]["properties"]["type"]
    assert SCHEMAS["Reference"]["properties"]["type"]["enum"] == list(TYPES)


PLAIN = {name: example["value"] for name, example in CONTENT["application/json"]["examples"].items()}
(ENCODED,) = CONTENT["text/plain"]["schema"]["examples"]


async def test_example_with_token_in_body_works(client: Client, records: Records) -> None:
    """The first example succeeds once the demo's token replaces the placeholder."""
    demo = await make_demo(records.connection, ROUTES)
    assert PLAIN["token-in-body"]["token"] == TOKEN_PLACEHOLDER

    response = await client.post(CREATE, json=PLAIN["token-in-body"] | {"token": demo.application_token})

    assert (await response.json())["status"] == "action-successful"


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
async def test_the_example_of_each_action_works(client: Client, records: Records, action: Action) -> None:
    """The example of every action succeeds on the demo records, once the example of create was sent."""
    demo = await make_demo(records.connection, ROUTES)
    await client.post(CREATE, json=PLAIN["token-in-body"] | {"token": demo.application_token})

    response = await client.post(action.path, json=action.example | {"token": demo.application_token})

    body = await response.json()
    assert (body["status"], body["message"]) == ("action-successful", action.success_message)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/json", json.dumps(PLAIN["token-in-header"])), ("text/plain", ENCODED)],
)
async def test_example_with_token_in_header_works(
    client: Client, records: Records, content_type: str, body: str
) -> None:
    """The other examples succeed with the demo's token in the Authorization header."""
    demo = await make_demo(records.connection, ROUTES)
    headers = {"Content-Type": content_type, "Authorization": f"Bearer {demo.session_token}"}

    response = await client.post(CREATE, data=body, headers=headers)

    assert (await response.json())["status"] == "action-successful"


@pytest.mark.parametrize("view", ["default", "detailed"])
async def test_views_are_documented_field_by_field(client: Client, records: Records, view: str) -> None:
    """Each view has exactly the documented fields, and its response is valid."""
    application = await records.application()
    session = await records.session("client", "employee", application_id=application.id)
    asked = params(session.token, session.user_id, session_view=view, application_view=view)

    body = await (await client.post(CREATE, json=asked)).json()

    validate(200, body)
    assert set(body["data"]) == set(SCHEMAS["Requirement"]["properties"])
    for shown in ("session", "application"):
        assert set(body[shown]) == set(SCHEMAS[shown.title() + view.title()]["properties"])


def tokens(part: object) -> Iterator[str]:
    """Every token in a part of the document."""
    if isinstance(part, dict):
        yield from (value for name, value in part.items() if name == "token" and isinstance(value, str))
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from tokens(inner)


async def test_it_contains_no_live_token(client: Client, records: Records) -> None:
    """The document contains only placeholder tokens, even if demo tokens exist."""
    demo = await make_demo(records.connection, ROUTES)

    text = await (await client.get("/openapi.json")).text()

    assert demo.application_token not in text
    assert demo.session_token not in text
    assert set(tokens(json.loads(text))) == {TOKEN_PLACEHOLDER, "THE-TOKEN-THAT-WAS-SENT"}


async def test_the_served_document(client: Client) -> None:
    """The served document has the configured association types."""
    response = await client.get("/openapi.json")
    served = await response.json()
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    types = served["components"]["schemas"]["Reference"]["properties"]["type"]["enum"]
    assert types == ["Application", "Client", "Employee", "Liaison", "Route", "Service", "User"]
    assert served["components"].keys() == DOCUMENT["components"].keys()
    assert served["paths"] == DOCUMENT["paths"]
