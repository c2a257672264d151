"""Create a requirement over HTTP: accepted requests, and the rows that they store."""

import base64
import json
from datetime import datetime

import asyncpg
import pytest

from service.domain.statuses import InvalidToken, MissingParam
from tests.api.exchange import post_create, read_envelope, refusal, success
from tests.conftest import Client
from tests.factories import CREATE, AppRecord, Records, params

TOKEN_MISSING = refusal(MissingParam, ("token", "is required"))

TEXTS = [
    ("empty", ""),
    ("spaces", "  padded\t "),
    ("line ends", "one\r\ntwo\nthree\r"),
    ("last code point of the basic plane", "\uffff"),
    ("beyond the basic plane", "\U0001f469\u200d\U0001f680 \U0010fffd"),
    ("not normalised", "e\u0301 \u00e9 \ufb01"),
    ("right to left", "\u202egnp.exe"),
    ("byte order mark", "\ufefftext"),
    ("markup", "<script>alert('&amp;')</script>"),
    ("SQL", "'; DROP TABLE requirements; -- $1 %s {}"),
    ("escapes", "\\u0041 \\n \x1b[31m\x07\x7f"),
    ("the word null", "null"),
    ("longest", "\U0001f600" * 255),
]


async def only_row(records: Records) -> asyncpg.Record:
    """The only requirement."""
    (row,) = await records.connection.fetch("SELECT * FROM requirements")
    return row


async def test_action_successful_returns_the_requirement(client: Client, records: Records) -> None:
    """A create returns the requirement as it is stored."""
    application = await records.application()
    user_id, _ = await records.user()

    response = await client.post(CREATE, json=params(application.token, user_id, key="tier", value="gold"))
    body = await response.json()

    assert response.status == 200
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    stamp = row["created_at"].isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert body == {
        "status": "action-successful",
        "message": "The requirement is recorded.",
        "data": {
            "id": row["id"],
            "required": {"type": "User", "id": user_id},
            "requireable": {"type": "User", "id": user_id},
            "key": "tier",
            "value": "gold",
            "created_at": stamp,
            "updated_at": stamp,
        },
        "request_id": response.headers["X-Request-ID"],
    }
    assert datetime.fromisoformat(body["data"]["created_at"]) == row["created_at"]


async def test_an_application_is_recorded_as_the_caller(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """With an application token the row has the application, and neither a user nor a session."""
    response = await post_create(client, params(application.token, user_id))
    row = await only_row(records)
    assert response.code_and_body == success(row)
    assert (row["application_id"], row["user_id"], row["session_id"]) == (application.id, None, None)
    assert (row["key"], row["value"], row["params_digest"]) == (None, None, None)


async def test_a_session_is_recorded_as_the_caller(client: Client, records: Records) -> None:
    """With the token of a session without an application, the row has the user and the session."""
    session = await records.session()
    response = await post_create(client, params(session.token, session.user_id))
    row = await only_row(records)
    assert response.code_and_body == success(row)
    assert (row["application_id"], row["user_id"], row["session_id"]) == (None, session.user_id, session.id)


async def test_a_session_in_an_application_is_recorded_with_it(
    client: Client, records: Records, application: AppRecord
) -> None:
    """With the token of a session opened in an application, the row has the application, the user and the session."""
    session = await records.session(application_id=application.id)
    response = await post_create(client, params(session.token, session.user_id))
    row = await only_row(records)
    assert response.code_and_body == success(row)
    assert (row["application_id"], row["user_id"], row["session_id"]) == (application.id, session.user_id, session.id)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in TEXTS])
@pytest.mark.parametrize("param", ["key", "value"])
async def test_text_is_stored_unchanged(
    client: Client, records: Records, application: AppRecord, user_id: int, param: str, text: str
) -> None:
    """Text is stored and returned exactly as sent: not trimmed, normalised or escaped."""
    response = await post_create(client, params(application.token, user_id, **{param: text}))
    row = await only_row(records)
    assert response.code_and_body == success(row)
    assert response.data[param] == row[param] == text


async def test_unknown_params_are_ignored(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """Unknown params, and unknown keys of a reference, are ignored."""
    reference = {"type": "User", "id": user_id, "name": "x", "Type": 5}
    sent = params(application.token, user_id, id=77, application_id=99, created_at="1999", errors=[{}])
    response = await post_create(client, sent | {"required": reference, "requireable": reference})
    row = await only_row(records)
    assert response.code_and_body == success(row)
    assert row["id"] == 1
    assert row["application_id"] == application.id


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_bearer_token_in_any_case(
    client: Client, records: Records, application: AppRecord, user_id: int, scheme: str
) -> None:
    """Without a token in the body the Bearer token is used, with the scheme in any case."""
    sent = params("", user_id)
    del sent["token"]
    response = await post_create(client, sent, {"Authorization": f"{scheme} {application.token}"})
    assert response.code_and_body == success(await only_row(records))


async def test_the_token_in_the_body_takes_precedence(client: Client, application: AppRecord, user_id: int) -> None:
    """A token in the body takes precedence over the Authorization header."""
    good, bad = {"Authorization": f"Bearer {application.token}"}, {"Authorization": "Bearer bad"}
    assert (await post_create(client, params("bad", user_id), good)).code_and_body == refusal(InvalidToken)
    assert (await post_create(client, params(application.token, user_id), bad)).status == "action-successful"


@pytest.mark.parametrize("token", [None, ""])
async def test_an_empty_token_in_the_body_is_missing(
    client: Client, records: Records, application: AppRecord, user_id: int, token: str | None
) -> None:
    """A null or empty token in the body is missing, even with a valid Authorization header."""
    sent = params("", user_id) | {"token": token}
    response = await post_create(client, sent, {"Authorization": f"Bearer {application.token}"})
    assert response.code_and_body == TOKEN_MISSING
    assert await records.count() == 0


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic {token}", "Token {token}", "{token}"])
async def test_no_bearer_token_is_missing(client: Client, application: AppRecord, user_id: int, header: str) -> None:
    """An Authorization header without a Bearer token is ignored."""
    sent = params("", user_id)
    del sent["token"]
    response = await post_create(client, sent, {"Authorization": header.format(token=application.token)})
    assert response.code_and_body == TOKEN_MISSING


async def test_encoded_params(client: Client, records: Records, application: AppRecord, user_id: int) -> None:
    """Base64 of the same JSON, sent as text/plain, creates the same requirement on a route without sensitive params."""
    body = base64.b64encode(json.dumps(params(application.token, user_id, key="\u00e9")).encode())
    response = await client.post(CREATE, data=body, headers={"Content-Type": "text/plain"})
    assert (await read_envelope(response)).code_and_body == success(await only_row(records))
