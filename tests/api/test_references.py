"""The references of a requirement: every association type, and concurrent deletions."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from service.api.app import create_app
from service.config import Config
from service.domain.statuses import InvalidParam
from tests.api.exchange import Body, post_create, refusal, success
from tests.api.waiting import wait_for_lock_waiters, wait_until
from tests.conftest import AppClient, Client
from tests.factories import AppRecord, Records, params

TABLES = {
    "Application": "applications",
    "Client": "clients",
    "Employee": "employees",
    "Liaison": "liaisons",
    "Route": "routes",
    "Service": "services",
    "User": "users",
}
ABSENT = "does not exist"
ABSENT_ID = 2**63 - 1

# The name of an added table in SQL, and in the settings.
ADDED_TABLES = [
    ("orders", "orders"),
    ("public.orders", "public.orders"),
    ('"Odd ""schema""; --".orders', 'Odd "schema"; --.orders'),
    ('shop."Or ders\'s; DROP TABLE users; -- {table}"', "shop.Or ders's; DROP TABLE users; -- {table}"),
    ('"select"."from"', "select.from"),
    ('shop."\u00dcn\u00efc\u00f6d\u00e9"', "shop.\u00dcn\u00efc\u00f6d\u00e9"),
]
# Every insert waits for an advisory lock that the test holds, after it has locked its references.
SLOW_INSERTS = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
CREATE TRIGGER wait BEFORE INSERT ON requirements FOR EACH ROW EXECUTE FUNCTION wait();
"""
# A shared statement waits for 50 ms, and then lets its locks go before it is attempted again.
WAITS_FOR_LONG = """
SELECT count(*) > 0 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE datname = current_database() AND clock_timestamp() - waitstart > interval '0.2 s'
"""


@pytest.fixture
async def targets(records: Records) -> dict[str, int]:
    """One record of each association type, all with different ids."""
    ids = {name: number * 100 for number, name in enumerate(TABLES, 1)}
    async with records.connection.transaction():  # no worker may see the registry without the route
        await records.connection.execute("DELETE FROM services")
        for name, table in TABLES.items():
            await records.connection.execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {ids[name]}")
        await records.user("client", "employee", "liaison")
        await records.application()
        await records.deploy()
    return ids


def reference_params(required: tuple[str, int], requireable: tuple[str, int]) -> dict[str, Body]:
    """The params with these two references."""
    pairs = {"required": required, "requireable": requireable}
    return {name: {"type": type_, "id": id_} for name, (type_, id_) in pairs.items()}


@pytest.mark.parametrize("requireable", TABLES)
@pytest.mark.parametrize("required", TABLES)
async def test_every_association_type(
    client: Client, records: Records, targets: dict[str, int], application: AppRecord, required: str, requireable: str
) -> None:
    """Any type may require any type, including itself; an id is looked up in its own table only."""
    references = reference_params((required, targets[required]), (requireable, targets[requireable]))
    response = await post_create(client, {"token": application.token, **references})
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    assert response.code_and_body == success(row)
    assert references == {name: response.data[name] for name in references}
    swapped = reference_params((required, targets[requireable] + 50), (requireable, targets[required] + 50))
    refused = (await post_create(client, {"token": application.token, **swapped})).code_and_body
    assert refused == refusal(InvalidParam, ("required.id", ABSENT), ("requireable.id", ABSENT))


@pytest.mark.parametrize(
    ("required", "requireable", "faults"),
    [
        (ABSENT_ID, 1, ["required.id"]),
        (1, ABSENT_ID, ["requireable.id"]),
        (ABSENT_ID, ABSENT_ID, ["required.id", "requireable.id"]),
        (ABSENT_ID, ABSENT_ID - 1, ["required.id", "requireable.id"]),
    ],
)
async def test_absent_references_are_named(
    client: Client,
    records: Records,
    application: AppRecord,
    user_id: int,
    required: int,
    requireable: int,
    faults: list[str],
) -> None:
    """References that do not exist are all reported at once, and nothing is written."""
    assert user_id == 1
    response = await post_create(
        client, {"token": application.token, **reference_params(("User", required), ("User", requireable))}
    )
    assert response.code_and_body == refusal(InvalidParam, *((fault, ABSENT) for fault in faults))
    assert (await records.count(), response.outcome) == (0, "none")


@pytest.mark.parametrize("command", ["COMMIT", "ROLLBACK"])
async def test_a_create_waits_for_a_concurrent_deletion(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection, command: str
) -> None:
    """A create waits for a concurrent deletion of its reference, and fails only if the deletion commits."""
    other_user_id, _ = await records.user()
    await other.execute("BEGIN")
    await other.execute("DELETE FROM users WHERE id = $1", user_id)
    sent = {"token": application.token, **reference_params(("User", other_user_id), ("User", user_id))}
    task = asyncio.create_task(post_create(client, sent))
    await wait_for_lock_waiters(records.connection)
    await other.execute(command)
    response = await task
    if command == "COMMIT":
        assert response.code_and_body == refusal(InvalidParam, ("requireable.id", ABSENT))
    else:
        row = await records.connection.fetchrow("SELECT * FROM requirements")
        assert row is not None
        assert response.code_and_body == success(row)
    assert await records.count() == (command == "ROLLBACK")


async def test_a_concurrent_update_of_a_reference_is_no_failure(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """A concurrent update of another column of a reference delays a create but does not make it fail."""
    async with other.transaction():
        await other.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", user_id)
        task = asyncio.create_task(post_create(client, params(application.token, user_id)))
        await wait_for_lock_waiters(records.connection)
        await other.execute("UPDATE users SET updated_at = now() WHERE id = $1", user_id)
    assert (await task).status == "action-successful"
    assert await records.count() == 1


@pytest.mark.parametrize("statement", ["DELETE FROM users WHERE id = $1", "UPDATE users SET id = -1 WHERE id = $1"])
async def test_a_create_locks_its_references(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection, statement: str
) -> None:
    """A create locks its references: a concurrent deletion waits until the requirement is committed."""
    await records.connection.execute(SLOW_INSERTS)
    await records.connection.execute("SELECT pg_advisory_lock(1)")
    task = asyncio.create_task(post_create(client, params(application.token, user_id)))
    await wait_until(records.connection, WAITS_FOR_LONG)
    deletion = asyncio.create_task(other.execute(statement, user_id))
    await wait_for_lock_waiters(records.connection, 2)
    assert await records.count() == 0
    await records.connection.execute("SELECT pg_advisory_unlock(1)")
    assert (await task).status == "action-successful"
    assert (await deletion)[-2:] == " 1"
    assert await records.count() == 1


async def test_other_updates_of_a_reference_delay_no_create(
    client: Client, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """A concurrent update that does not change a reference's id does not delay a create."""
    async with other.transaction():
        await other.execute("UPDATE users SET updated_at = now() WHERE id = $1", user_id)
        assert (await post_create(client, params(application.token, user_id))).status == "action-successful"


@pytest.mark.parametrize(("table", "setting"), ADDED_TABLES)
async def test_an_added_association_type(
    config: Config,
    records: Records,
    application: AppRecord,
    user_id: int,
    aiohttp_client: AppClient,
    table: str,
    setting: str,
) -> None:
    """A configured association type works with any valid table name."""
    schema, dot, _ = table.rpartition(".")
    await records.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}" if dot else "SELECT")
    await records.connection.execute(f"CREATE TABLE {table} AS SELECT 700::bigint AS id")
    await records.connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
    await records.deploy()
    added = replace(config, associations={**config.associations, "Order's {type}": setting})
    client = await aiohttp_client(create_app(added))
    references = reference_params(("Order's {type}", 700), ("User", user_id))
    response = await post_create(client, {"token": application.token, **references})
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    assert response.code_and_body == success(row)
    assert references == {name: response.data[name] for name in references}
    swapped = reference_params(("Order's {type}", user_id), ("User", 700))
    refused = (await post_create(client, {"token": application.token, **swapped})).code_and_body
    assert refused == refusal(InvalidParam, ("required.id", ABSENT), ("requireable.id", ABSENT))
