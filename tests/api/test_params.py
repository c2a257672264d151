"""The params of a create: one test for each row of the contract's table."""

from typing import Any

import pytest

from service.domain.statuses import InvalidParam, InvalidToken, MissingParam
from tests.api.exchange import CodeAndBody, post_create, refusal
from tests.conftest import Client
from tests.factories import AppRecord, Records, params

REQUIRED = "is required"
ID_RULE = "must be an integer from 1 to 9223372036854775807"
TYPE_RULE = "must be one of Application, Client, Employee, Liaison, Route, Service, User"
HASH_RULE = "must be a hash of type and id"
VIEW_RULE = "must be one of default, detailed"
TEXT = "must be a string"
NUL = "must not contain the NUL character"
ABSENT = object()

# The value sent, and for each faulty part of the reference the message.
REFERENCES: list[tuple[str, Any, dict[str, str]]] = [
    ("absent", ABSENT, {"": REQUIRED}),
    ("null", None, {"": REQUIRED}),
    ("empty string", "", {"": REQUIRED}),
    ("empty hash", {}, {".type": REQUIRED, ".id": REQUIRED}),
    ("no id", {"type": "User"}, {".id": REQUIRED}),
    ("no type", {"id": 1}, {".type": REQUIRED}),
    ("null id", {"type": "User", "id": None}, {".id": REQUIRED}),
    ("empty id", {"type": "User", "id": ""}, {".id": REQUIRED}),
    ("empty type", {"type": "", "id": 1}, {".type": REQUIRED}),
    ("null type, bad id", {"type": None, "id": "5"}, {".type": REQUIRED}),
    ("a string", "User", {"": HASH_RULE}),
    ("a list", [{"type": "User", "id": 1}], {"": HASH_RULE}),
    ("an empty list", [], {"": HASH_RULE}),
    ("a number", 5, {"": HASH_RULE}),
    ("false", False, {"": HASH_RULE}),
    ("unknown type", {"type": "Order", "id": 1}, {".type": TYPE_RULE}),
    ("type in other case", {"type": "user", "id": 1}, {".type": TYPE_RULE}),
    ("type with a space", {"type": "User ", "id": 1}, {".type": TYPE_RULE}),
    ("a table's name", {"type": "users", "id": 1}, {".type": TYPE_RULE}),
    ("type with NUL", {"type": "User\0", "id": 1}, {".type": TYPE_RULE}),
    ("type a number", {"type": 1, "id": 1}, {".type": TEXT}),
    ("type a list", {"type": ["User"], "id": 1}, {".type": TEXT}),
    ("type and id", {"type": "x", "id": 0}, {".type": TYPE_RULE, ".id": ID_RULE}),
    *(
        (f"id {value!r:.20}", {"type": "User", "id": value}, {".id": ID_RULE})
        for value in ("1", 5.0, 5.5, True, False, 0, -1, 2**63, 10**100, [1], {"id": 1})
    ),
    ("an id that does not exist", {"type": "User", "id": 2**63 - 1}, {".id": "does not exist"}),
]
TEXTS: list[tuple[str, Any, str]] = [
    ("number", 1, TEXT),
    ("true", True, TEXT),
    ("list", ["x"], TEXT),
    ("hash", {}, TEXT),
]
VIEWS: list[tuple[str, Any, str]] = [
    *TEXTS,
    ("unknown", "full", VIEW_RULE),
    ("other case", "Default", VIEW_RULE),
    ("empty", "", VIEW_RULE),
]


def cases(data: list[tuple[Any, ...]]) -> list[Any]:
    """The data as pytest params, with the first element as the id."""
    return [pytest.param(*values, id=name) for name, *values in data]


def reference_refusal(param: str, faults: dict[str, str]) -> CodeAndBody:
    """The expected refusal of a reference: missing before invalid."""
    status = MissingParam if REQUIRED in faults.values() else InvalidParam
    return refusal(status, *((f"{param}{part}", message) for part, message in faults.items()))


async def refused_create(client: Client, records: Records, sent: dict[str, object]) -> CodeAndBody:
    """Send a create that must store no row; return the response."""
    response = await post_create(client, {name: value for name, value in sent.items() if value is not ABSENT})
    assert await records.count() == 0
    assert response.outcome == "none"
    return response.code_and_body


@pytest.mark.parametrize("token", cases([("absent", ABSENT), ("null", None), ("empty", "")]))
async def test_token_missing(client: Client, records: Records, user_id: int, token: object) -> None:
    """A token that is absent, null or empty is missing."""
    assert await refused_create(client, records, params("", user_id) | {"token": token}) == refusal(
        MissingParam, ("token", REQUIRED)
    )


@pytest.mark.parametrize("change", ["{} ", " {}", "{}\0", "{}\u00e9", "' OR 1=1", "%", "x" * 100_000])
async def test_token_with_unusual_characters(
    client: Client, records: Records, application: AppRecord, user_id: int, change: str
) -> None:
    """A token with unusual characters or length is invalid-token."""
    sent = params(change.format(application.token), user_id)
    assert await refused_create(client, records, sent) == refusal(InvalidToken)


@pytest.mark.parametrize("token", [[], {}, ["x"], {"x": "y"}, 0, 5, 5.5, True, False])
async def test_token_of_another_type(client: Client, records: Records, user_id: int, token: object) -> None:
    """A token that is not a string is invalid-token."""
    assert await refused_create(client, records, params("", user_id) | {"token": token}) == refusal(InvalidToken)


@pytest.mark.parametrize(("sent", "faults"), cases(REFERENCES))
@pytest.mark.parametrize("param", ["required", "requireable"])
async def test_required_and_requireable(
    client: Client,
    records: Records,
    application: AppRecord,
    user_id: int,
    param: str,
    sent: object,
    faults: dict[str, str],
) -> None:
    """A reference is a hash of a configured type and an existing id; each faulty part is reported."""
    response = await refused_create(client, records, params(application.token, user_id) | {param: sent})
    assert response == reference_refusal(param, faults)


@pytest.mark.parametrize(("param", "limit"), [("key", 255), ("value", 4096)])
async def test_key_and_value_lengths(
    client: Client, records: Records, application: AppRecord, user_id: int, param: str, limit: int
) -> None:
    """A text may have up to its limit of characters, and no more."""
    too_long = params(application.token, user_id, **{param: "\U0001f600" * (limit + 1)})
    rule = f"must be at most {limit} characters long"
    assert await refused_create(client, records, too_long) == refusal(InvalidParam, (param, rule))
    response = await post_create(client, params(application.token, user_id, **{param: "\U0001f600" * limit}))
    assert response.status == "action-successful"


@pytest.mark.parametrize(("value", "rule"), cases([*TEXTS, ("NUL", "a\0b", NUL)]))
@pytest.mark.parametrize("param", ["key", "value"])
async def test_key_and_value(
    client: Client, records: Records, application: AppRecord, user_id: int, param: str, value: object, rule: str
) -> None:
    """A key or value must be a string without NUL."""
    response = await refused_create(client, records, params(application.token, user_id, **{param: value}))
    assert response == refusal(InvalidParam, (param, rule))


@pytest.mark.parametrize(("value", "rule"), cases(VIEWS))
@pytest.mark.parametrize("param", ["session_view", "application_view"])
async def test_session_view_and_application_view(
    client: Client, records: Records, application: AppRecord, user_id: int, param: str, value: object, rule: str
) -> None:
    """A view must be default or detailed, even if the caller has no session or application."""
    response = await refused_create(client, records, params(application.token, user_id, **{param: value}))
    assert response == refusal(InvalidParam, (param, rule))


async def test_all_missing_params_at_once(client: Client, records: Records, application: AppRecord) -> None:
    """All missing parts are reported at once, and no invalid ones."""
    sent = {"token": application.token, "requireable": {"type": "x"}, "key": 5, "session_view": "x"}
    assert await refused_create(client, records, sent) == refusal(
        MissingParam, ("required", REQUIRED), ("requireable.id", REQUIRED)
    )


async def test_all_invalid_params_at_once(client: Client, records: Records, application: AppRecord) -> None:
    """All invalid params are reported at once."""
    sent = params(application.token, 0, key=5, value="\0", session_view="x", application_view="y")
    assert await refused_create(client, records, sent) == refusal(
        InvalidParam,
        ("required.id", ID_RULE),
        ("requireable.id", ID_RULE),
        ("key", TEXT),
        ("value", NUL),
        ("session_view", VIEW_RULE),
        ("application_view", VIEW_RULE),
    )
