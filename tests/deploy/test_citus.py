"""deploy/citus: what Citus asks of the tables, and the actions that work on distributed requirements.

CITUS_URL names a coordinator with workers, for the tests of Citus itself.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from service.api.app import create_app
from service.config import Config
from service.config.resources import resource
from service.database.checks import UnfitDatabaseError, check_database
from service.database.migrations import load_migrations
from service.domain.statuses import InvalidParam
from service.storage.requirement_changes import change_as_operator
from service.storage.retention import purge_all
from tests.api.exchange import ApiResponse, read_envelope, refusal
from tests.conftest import AppClient, Client
from tests.deploy.citus import RULES, SCRIPT, distributed_schema
from tests.factories import AppRecord, Records

KNOWN = load_migrations(resource("sql") / "migrations")
ABSENT = refusal(InvalidParam, ("id", "does not exist"))
STALE = refusal(InvalidParam, ("if_updated_at", "is not the updated_at of the requirement any more"))
MANY = 40

CITUS_URL = os.environ.get("CITUS_URL", "")

SHARDS = """
SELECT DISTINCT relname, nodename, nodeport FROM citus_shards JOIN pg_class ON pg_class.oid = table_name
WHERE relnamespace = $1::text::regnamespace
"""

ROWS = """
INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id)
SELECT 'User', 1, 'User', number FROM generate_series(1, 100) AS number;
"""

# What the script does, what it could do instead, and what the rules say then.
FAULTS = [
    ("DROP TRIGGER requirements_changed ON requirements;", "", "trigger"),
    ("DROP TRIGGER requirements_truncated ON requirements;", "", "trigger"),
    ("PRIMARY KEY (request_uid)", "PRIMARY KEY (id)", "unique index"),
    (
        "CREATE INDEX requirements_id_idx ON requirements (id);",
        "ALTER TABLE emails ADD COLUMN request_uid uuid REFERENCES requirements;",
        "foreign key",
    ),
]


def distributed(config: Config, **database: Any) -> Config:
    """The settings for distributed requirements."""
    return replace(config, database=replace(config.database, distributed=True, **database))


class Caller:
    """Sends calls of the actions with the token of an application."""

    def __init__(self, client: Client, token: str, user_id: int) -> None:
        self._client = client
        self._token = token
        self._user = {"type": "User", "id": user_id}

    async def __call__(self, action: str, idempotency_key: str | None = None, **params: object) -> ApiResponse:
        """Call an action. A create gets references."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        references = {"required": self._user, "requireable": self._user} if action == "create" else {}
        sent = {"token": self._token, **references, **params}
        return await read_envelope(
            await self._client.post(f"/api/v1/requirements/{action}", json=sent, headers=headers)
        )


@pytest.fixture(params=["rules", "citus"] if CITUS_URL else ["rules"])
async def place(
    request: pytest.FixtureRequest, database_url: str, config: Config
) -> AsyncIterator[tuple[Config, asyncpg.Connection]]:
    """Settings and a connection, where the script was run: where the rules of Citus are checked, or on Citus."""
    if request.param == "citus":
        async with distributed_schema(CITUS_URL) as (schema, connection):
            yield distributed(config, url=CITUS_URL, schema=schema), connection
    else:
        connection = await asyncpg.connect(database_url)
        await connection.execute(RULES)
        await connection.execute(SCRIPT)
        yield distributed(config), connection
        await connection.close()


@pytest.fixture
async def call(place: tuple[Config, asyncpg.Connection], aiohttp_client: AppClient) -> Caller:
    """Calls the service, with distributed requirements."""
    config, connection = place
    records = Records(connection)
    await records.deploy()
    application: AppRecord = await records.application()
    client = await aiohttp_client(create_app(config))
    return Caller(client, application.token, (await records.user())[0])


@pytest.mark.parametrize(("done", "instead", "reason"), FAULTS)
async def test_the_rules_refuse_other_tables(
    connection: asyncpg.Connection, done: str, instead: str, reason: str
) -> None:
    """If the script prepares the tables otherwise, it fails: the rules that the other tests rely on can fail."""
    await connection.execute(RULES)
    assert SCRIPT.count(done) == 1
    with pytest.raises(asyncpg.PostgresError, match=reason):
        await connection.execute(SCRIPT.replace(done, instead))


async def test_creates_are_exactly_once(call: Caller, place: tuple[Config, asyncpg.Connection]) -> None:
    """Concurrent calls create one requirement each; of those with the same Idempotency-Key, one creates it."""
    calls = [call("create", f"key {number % 20}", key=str(number % 20)) for number in range(2 * MANY)]
    keyed = await asyncio.gather(*calls, *[call("create", key="without") for _ in range(MANY)])
    assert {response.status for response in keyed} == {"action-successful"}
    assert [response.outcome for response in keyed].count("created") == 20 + MANY
    assert len({response.data["id"] for response in keyed}) == 20 + MANY
    assert await place[1].fetchval("SELECT count(*) FROM requirements") == 20 + MANY
    missing = await call("create", required={"type": "User", "id": 999_999})
    assert missing.code_and_body == refusal(InvalidParam, ("required.id", "does not exist"))


async def test_requirements_are_read_and_listed(call: Caller) -> None:
    """A requirement that was created is read by its id, and the pages of index have each once, in order."""
    made = {(await call("create", key=str(number))).data["id"] for number in range(5)}
    assert {(await call("read", id=number)).data["id"] for number in made} == made
    assert (await call("read", id=max(made) + 1000)).code_and_body == ABSENT
    listed, page = [], {"size": 2}
    while page:
        answer = (await call("index", page=page)).data
        listed += [row["id"] for row in answer["results"]]
        page = {} if answer["complete"] else {"size": 2, "after": answer["page"]["next"]}
    assert listed == sorted(made, reverse=True)


async def test_changes_are_exactly_once(call: Caller) -> None:
    """Updates and destroys change once, tell repeated calls so, and obey if_updated_at."""
    first = (await call("create", "create", key="tier", value="gold")).data
    updated = await call("update", "update", id=first["id"], value="silver", if_updated_at=first["updated_at"])
    assert (updated.outcome, updated.data["value"]) == ("updated", "silver")
    assert updated.data["updated_at"] > first["updated_at"]
    again = await call("update", "update", id=first["id"], value="silver", if_updated_at=first["updated_at"])
    assert (again.outcome, again.data) == ("replayed", updated.data)
    stale = await call("update", id=first["id"], value="lead", if_updated_at=first["updated_at"])
    assert stale.code_and_body == STALE
    destroyed = await asyncio.gather(*[call("destroy", "destroy", id=first["id"]) for _ in range(3)])
    assert sorted(str(response.outcome) for response in destroyed) == ["destroyed", "replayed", "replayed"]
    assert [response.data for response in destroyed] == [updated.data] * 3
    assert (await call("destroy", id=first["id"])).code_and_body == ABSENT
    repeated = await call("create", "create", key="tier", value="gold")
    assert (repeated.outcome, repeated.data["id"]) == ("replayed", first["id"])


async def test_racing_updates_take_turns(call: Caller) -> None:
    """Of concurrent updates with the same if_updated_at one is made; without it, each is made after another."""
    first = (await call("create")).data
    guarded = [call("update", id=first["id"], value=str(n), if_updated_at=first["updated_at"]) for n in range(8)]
    outcomes = [response.outcome for response in await asyncio.gather(*guarded)]
    assert sorted(map(str, outcomes)) == ["none"] * 7 + ["updated"]
    free = await asyncio.gather(*[call("update", id=first["id"], value=f"free {n}") for n in range(8)])
    assert {response.outcome for response in free} == {"updated"}
    assert len({response.data["updated_at"] for response in free}) == 8


async def test_operators_change_requirements(call: Caller, place: tuple[Config, asyncpg.Connection]) -> None:
    """An operator edits and destroys a requirement, as the console and the commands do."""
    number = (await call("create", value="gold")).data["id"]
    for values, left in (({"value": "lead"}, "lead"), (None, None)):
        async with place[1].transaction():
            result = await change_as_operator(place[1], number, values, None, "r-1", distributed=True)
        assert (result.found, result.changed) == (True, True)
        answer = await call("read", id=number)
        assert (answer.code_and_body == ABSENT) if left is None else (answer.data["value"] == left)


async def test_a_destroy_takes_the_emails(call: Caller, place: tuple[Config, asyncpg.Connection]) -> None:
    """The e-mails of a requirement go with it, although no foreign key says so."""
    kept, gone = (await call("create")).data["id"], (await call("create")).data["id"]
    await place[1].execute("INSERT INTO emails (requirement_id) VALUES ($1), ($2)", kept, gone)
    assert (await call("destroy", id=gone)).outcome == "destroyed"
    assert await place[1].fetchval("SELECT array_agg(requirement_id) FROM emails") == [kept]


async def test_purges(call: Caller, place: tuple[Config, asyncpg.Connection]) -> None:
    """Purge deletes the recorded changes of a requirement once the last of them is old enough."""
    config, connection = place
    for _ in range(2):
        number = (await call("create")).data["id"]
        await call("update", id=number, value="new")
        await call("destroy", id=number)
    age = timedelta(days=config.retention.changes_days + 1)
    await connection.execute(
        "UPDATE changes SET changed_at = changed_at - $1::interval WHERE requirement_id = $2", age, number
    )
    await connection.execute(
        "UPDATE changes SET changed_at = changed_at - $1::interval WHERE change <> 'destroyed'", age
    )
    counts = await purge_all(connection, config.retention, "test", distributed=True)
    assert counts["changes"] == 3
    assert await connection.fetchval("SELECT count(*) FROM changes") == 3


async def test_rows_are_on_several_workers() -> None:
    """On Citus, the script distributes only requirements, and moves its rows to more than one server."""
    if not CITUS_URL:
        pytest.skip("CITUS_URL does not name a coordinator with workers")
    async with distributed_schema(CITUS_URL, ROWS) as (schema, connection):
        shards = await connection.fetch(SHARDS, schema)
        assert await connection.fetchval("SELECT count(DISTINCT id) FROM requirements") == 100
        assert await connection.fetchval("SELECT pg_relation_size('requirements')") == 0
    assert {row["relname"] for row in shards} == {"requirements"}
    assert len(shards) > 1


async def test_the_setting_must_fit_the_tables(place: tuple[Config, asyncpg.Connection]) -> None:
    """The service does not start on distributed requirements if the setting does not say so. One line says why."""
    config, connection = place
    await check_database(connection, config, KNOWN)
    wrong = replace(config, database=replace(config.database, distributed=False))
    with pytest.raises(UnfitDatabaseError, match="is distributed over several servers: set"):
        await check_database(connection, wrong, KNOWN)


async def test_the_tables_must_fit_the_setting(connection: asyncpg.Connection, config: Config) -> None:
    """The service does not start with the setting if requirements is not distributed. One line says what to run."""
    with pytest.raises(UnfitDatabaseError, match=r"run deploy/citus/distribute\.sql$"):
        await check_database(connection, distributed(config), KNOWN)
