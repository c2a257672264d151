"""Idempotency-Key: one key of one caller is one requirement."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from service.api.app import create_app
from service.config import Config
from service.domain.statuses import InvalidParam, InvalidToken, MissingParam
from service.storage import applications
from tests.api.exchange import IDEMPOTENCY_KEY, ApiResponse, Headers, post_create, refusal, success
from tests.conftest import AppClient, Client
from tests.factories import AppRecord, Records, params

KEY_USED = refusal(InvalidParam, (IDEMPOTENCY_KEY, "was used before, with other params"))
RULE = "must be one header of 1 to 255 printable ASCII characters"

# Changes that leave a request with the same key a replay.
SAME_PARAMS: list[dict[str, Any]] = [
    {},
    {"application_view": "detailed", "session_view": "default"},
    {"something": "else"},
    {"value": None},
    {"required": {"type": "User", "id": 1, "more": 1}},
]
# Changes that make it invalid. The first request has the key "k", no value, and User 1 as both references.
OTHER_PARAMS: list[dict[str, Any]] = [
    {"key": "K"},
    {"key": None},
    {"key": ""},
    {"value": ""},
    {"value": "null"},
    {"key": None, "value": "k"},
    {"required": {"type": "Application", "id": 1}},
    {"requireable": {"type": "Application", "id": 1}},
    {"required": {"type": "User", "id": 2}},
    {"requireable": {"type": "User", "id": 2}},
]
GOOD_KEYS = ["x", "x" * 255, "0", "null", "a b", "~!\"#%&'()*+,-./:;<=>?@[]^_`{|}"]
BAD_KEYS: list[Headers] = [
    {IDEMPOTENCY_KEY: ""},
    {IDEMPOTENCY_KEY: "x" * 256},
    {IDEMPOTENCY_KEY: "caf\u00e9"},
    {IDEMPOTENCY_KEY: "\u2028"},
    {IDEMPOTENCY_KEY: "a\tb"},
    [(IDEMPOTENCY_KEY, "one"), (IDEMPOTENCY_KEY, "two")],
]


def keyed(key: str = "k-1") -> dict[str, str]:
    """The headers with this Idempotency-Key."""
    return {IDEMPOTENCY_KEY: key}


async def outcomes(records: Records, *responses: ApiResponse) -> list[str | None]:
    """The outcomes of the responses, each of which must return the only requirement."""
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    assert await records.count() == 1
    assert [response.code_and_body for response in responses] == [success(row)] * len(responses)
    return [response.outcome for response in responses]


@pytest.mark.parametrize("change", SAME_PARAMS)
async def test_the_same_key_and_params_replay(
    client: Client, records: Records, application: AppRecord, user_id: int, change: dict[str, Any]
) -> None:
    """The same key with the same params returns the first requirement; views and unknown params may differ."""
    assert user_id == 1
    sent = params(application.token, user_id, key="k")
    first = await post_create(client, sent, keyed())
    again = await post_create(client, sent | change, keyed())
    again.body.pop("application", None)
    again.body.pop("session", None)
    assert await outcomes(records, first, again) == ["created", "replayed"]


@pytest.mark.parametrize("change", OTHER_PARAMS)
async def test_the_same_key_with_other_params_is_invalid(
    client: Client, records: Records, application: AppRecord, user_id: int, change: dict[str, Any]
) -> None:
    """A key that was used with other params is invalid-param, and still replays the first params."""
    assert (application.id, user_id) == (1, 1)
    await records.user()
    sent = params(application.token, user_id, key="k")
    first = await post_create(client, sent, keyed())
    other = await post_create(client, sent | change, keyed())
    assert (other.code_and_body, other.outcome) == (KEY_USED, "none")
    assert await outcomes(records, first, await post_create(client, sent, keyed())) == ["created", "replayed"]


async def test_a_replay_returns_the_current_row(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A replay compares the params as first sent, and returns the row as it is now."""
    sent = params(application.token, user_id, key="k")
    await post_create(client, sent, keyed())
    await records.connection.execute("UPDATE requirements SET key = 'changed', updated_at = now() + interval '1 s'")
    assert await outcomes(records, await post_create(client, sent, keyed())) == ["replayed"]
    assert (await post_create(client, sent | {"key": "changed"}, keyed())).code_and_body == KEY_USED


async def test_a_key_lives_as_long_as_the_record_of_its_requirement(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A deleted requirement keeps its key while its deletion is on record. Then the key is free again."""
    sent = params(application.token, user_id, key="k")
    made = await post_create(client, sent, keyed())
    await records.connection.execute("DELETE FROM requirements")
    kept = await post_create(client, sent, keyed())
    assert (kept.outcome, kept.data) == ("replayed", made.data)
    await records.connection.execute("DELETE FROM changes")
    again = await post_create(client, params(application.token, user_id, key="other"), keyed())
    assert await outcomes(records, again) == ["created"]


async def test_a_key_belongs_to_an_application(client: Client, records: Records, user_id: int) -> None:
    """Tokens of one application share its keys; two applications share none."""
    one, two = await records.application(), await records.application()
    issued = await applications.issue_application_token(records.connection, one.slug)
    assert issued is not None
    responses = [
        await post_create(client, params(token, user_id), keyed()) for token in (one.token, issued[1], two.token)
    ]
    assert [response.outcome for response in responses] == ["created", "replayed", "created"]
    assert await records.count() == 2


async def test_a_key_belongs_to_a_user(client: Client, records: Records) -> None:
    """Sessions of one user share the user's keys, whatever application they were opened in; two users share none."""
    application = await records.application()
    one, two = await records.session(), await records.session()
    more = await records.session_of(one.user_id, one.email, application_id=application.id)
    responses = [await post_create(client, params(session.token, one.user_id), keyed()) for session in (one, more, two)]
    assert [response.outcome for response in responses] == ["created", "replayed", "created"]
    assert await records.count() == 2


async def test_a_user_and_an_application_share_no_key(client: Client, records: Records) -> None:
    """A user's keys are separate from an application's, even if their ids are equal."""
    application = await records.application()
    session = await records.session(application_id=application.id)
    assert application.id == session.user_id
    responses = [
        await post_create(client, params(token, session.user_id), keyed())
        for token in (application.token, session.token)
    ]
    assert [response.outcome for response in responses] == ["created", "created"]


async def test_without_a_key_every_call_creates(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """Equal requests without a key create one requirement each."""
    sent = params(application.token, user_id, key="k")
    responses = [await post_create(client, sent) for _ in range(3)]
    assert [response.outcome for response in responses] == ["created"] * 3
    assert len({response.data["id"] for response in responses}) == await records.count() == 3


@pytest.mark.parametrize(("headers", "rows"), [({}, 64), (keyed(), 1)])
async def test_a_race_of_equal_requests(
    config: Config,
    records: Records,
    application: AppRecord,
    user_id: int,
    aiohttp_client: AppClient,
    headers: dict[str, str],
    rows: int,
) -> None:
    """Of 64 concurrent requests with one key to two workers, one creates and 63 replay; without a key all create."""
    await records.deploy()
    patient = replace(config, database=replace(config.database, acquire_timeout_seconds=10.0))
    workers = [await aiohttp_client(create_app(patient)) for _ in range(2)]
    sent = params(application.token, user_id)
    responses = await asyncio.gather(*(post_create(workers[n % 2], sent, headers) for n in range(64)))
    expected = {"created": rows, "replayed": 64 - rows} if rows < 64 else {"created": 64}
    assert Counter(response.outcome for response in responses) == expected
    assert {response.code for response in responses} == {200}
    assert len({response.data["id"] for response in responses}) == await records.count() == rows


async def test_a_replay_outlives_its_references(client: Client, records: Records, application: AppRecord) -> None:
    """A replay succeeds after its references were deleted; a new key does not."""
    user_id, _ = await records.user()
    sent = params(application.token, user_id)
    first = await post_create(client, sent, keyed())
    await records.connection.execute("DELETE FROM users")
    assert await outcomes(records, first, await post_create(client, sent, keyed())) == ["created", "replayed"]
    absent = [(f"{param}.id", "does not exist") for param in ("required", "requireable")]
    assert (await post_create(client, sent, keyed("k-2"))).code_and_body == refusal(InvalidParam, *absent)
    assert (await post_create(client, sent | {"key": "k"}, keyed())).code_and_body == KEY_USED


async def test_a_replay_needs_a_live_token(
    client: Client, records: Records, application: AppRecord, user_id: int
) -> None:
    """A replay with a revoked token is refused."""
    sent = params(application.token, user_id)
    await post_create(client, sent, keyed())
    await applications.revoke_application_tokens(records.connection, application.slug, None)
    assert (await post_create(client, sent, keyed())).code_and_body == refusal(InvalidToken)


@pytest.mark.parametrize("key", GOOD_KEYS)
async def test_a_good_key(client: Client, records: Records, application: AppRecord, user_id: int, key: str) -> None:
    """A key of 1 to 255 printable ASCII characters is accepted."""
    sent = params(application.token, user_id)
    responses = [await post_create(client, sent, keyed(key)) for _ in range(2)]
    assert await outcomes(records, *responses) == ["created", "replayed"]


@pytest.mark.parametrize("headers", BAD_KEYS)
async def test_a_bad_key(
    client: Client, records: Records, application: AppRecord, user_id: int, headers: Headers
) -> None:
    """Any other key, or two headers, is reported with the other invalid params, and after missing ones."""
    sent = params(application.token, user_id)
    assert (await post_create(client, sent, headers)).code_and_body == refusal(InvalidParam, (IDEMPOTENCY_KEY, RULE))
    both = refusal(InvalidParam, ("key", "must be a string"), (IDEMPOTENCY_KEY, RULE))
    assert (await post_create(client, sent | {"key": 1}, headers)).code_and_body == both
    missing = refusal(MissingParam, ("required", "is required"))
    assert (await post_create(client, sent | {"required": None, "key": 1}, headers)).code_and_body == missing
    assert await records.count() == 0
