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

# What is sent, the parts at fault below the reference, and what is said of each.
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
    ("an id that nothing has", {"type": "User", "id": 2**63 - 1}, {".id": "does not exist"}),
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
    """The data as cases called by their first element."""
    return [pytest.param(*values, id=name) for name, *values in data]


def judged(param: str, faults: dict[str, str]) -> CodeAndBody:
    """The refusal of a reference: missing before invalid."""
    status = MissingParam if REQUIRED in faults.values() else InvalidParam
    return refusal(status, *((f"{param}{part}", message) for part, message in faults.items()))


async def told(client: Client, records: Records, sent: dict[str, object]) -> CodeAndBody:
    """What a create tells that leaves no row."""
    answer = await post_create(client, {name: value for name, value in sent.items() if value is not ABSENT})
    assert await records.count() == 0
    assert answer.outcome == "none"
    return answer.code_and_body


@pytest.mark.parametrize("token", cases([("absent", ABSENT), ("null", None), ("empty", "")]))
async def test_token_missing(client: Client, records: Records, user_id: int, token: object) -> None:
    """A token that is absent, null or empty is missing."""
    assert await told(client, records, params("", user_id) | {"token": token}) == refusal(
        MissingParam, ("token", REQUIRED)
    )


@pytest.mark.parametrize("change", ["{} ", " {}", "{}\0", "{}\u00e9", "' OR 1=1", "%", "x" * 100_000])
async def test_token_odd(client: Client, records: Records, application: AppRecord, user_id: int, change: str) -> None:
    """A token that holds anything odd is simply one that nobody owns."""
    sent = params(change.format(application.token), user_id)
    assert await told(client, records, sent) == refusal(InvalidToken)


@pytest.mark.parametrize("token", [[], {}, ["x"], {"x": "y"}, 0, 5, 5.5, True, False])
async def test_token_of_another_type(client: Client, records: Records, user_id: int, token: object) -> None:
    """A token that is no string is no token anyone owns."""
    assert await told(client, records, params("", user_id) | {"token": token}) == refusal(InvalidToken)


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
    """A reference is a hash of a configured type and an id that exists; each part at fault is named."""
    answer = await told(client, records, params(application.token, user_id) | {param: sent})
    assert answer == judged(param, faults)


@pytest.mark.parametrize(("param", "limit"), [("key", 255), ("value", 4096)])
async def test_key_and_value_lengths(
    client: Client, records: Records, application: AppRecord, user_id: int, param: str, limit: int
) -> None:
    """A text may be as long as its limit, counted in characters, and no longer."""
    too_long = params(application.token, user_id, **{param: "\U0001f600" * (limit + 1)})
    rule = f"must be at most {limit} characters long"
    assert await told(client, records, too_long) == refusal(InvalidParam, (param, rule))
    answer = await post_create(client, params(application.token, user_id, **{param: "\U0001f600" * limit}))
    assert answer.status == "action-successful"


@pytest.mark.parametrize(("value", "rule"), cases([*TEXTS, ("NUL", "a\0b", NUL)]))
@pytest.mark.parametrize("param", ["key", "value"])
async def test_key_and_value(
    client: Client, records: Records, application: AppRecord, user_id: int, param: str, value: object, rule: str
) -> None:
    """A text is a string without NUL: nothing else is taken for one."""
    answer = await told(client, records, params(application.token, user_id, **{param: value}))
    assert answer == refusal(InvalidParam, (param, rule))


@pytest.mark.parametrize(("value", "rule"), cases(VIEWS))
@pytest.mark.parametrize("param", ["session_view", "application_view"])
async def test_session_view_and_application_view(
    client: Client, records: Records, application: AppRecord, user_id: int, param: str, value: object, rule: str
) -> None:
    """A view is one of the two there are, whether or not the caller has what it would show."""
    answer = await told(client, records, params(application.token, user_id, **{param: value}))
    assert answer == refusal(InvalidParam, (param, rule))


async def test_all_missing_params_at_once(client: Client, records: Records, application: AppRecord) -> None:
    """Every missing part is told at once, and nothing of what is invalid."""
    sent = {"token": application.token, "requireable": {"type": "x"}, "key": 5, "session_view": "x"}
    assert await told(client, records, sent) == refusal(
        MissingParam, ("required", REQUIRED), ("requireable.id", REQUIRED)
    )


async def test_all_invalid_params_at_once(client: Client, records: Records, application: AppRecord) -> None:
    """Every invalid param is told at once."""
    sent = params(application.token, 0, key=5, value="\0", session_view="x", application_view="y")
    assert await told(client, records, sent) == refusal(
        InvalidParam,
        ("required.id", ID_RULE),
        ("requireable.id", ID_RULE),
        ("key", TEXT),
        ("value", NUL),
        ("session_view", VIEW_RULE),
        ("application_view", VIEW_RULE),
    )
