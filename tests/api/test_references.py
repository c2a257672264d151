"""What a requirement refers to: every association type, and deletions meanwhile."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from service.api.app import create_app
from service.config import Config
from service.domain.statuses import InvalidParam
from tests.api.exchange import Body, post_create, refusal, success
from tests.api.waiting import wait_for_lock_waiters
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
NOT_THERE = 2**63 - 1

# A table that a user adds, as SQL names it, and as the settings do.
ADDED = [
    ("orders", "orders"),
    ("public.orders", "public.orders"),
    ('"Odd ""schema""; --".orders', 'Odd "schema"; --.orders'),
    ('shop."Or ders\'s; DROP TABLE users; -- {table}"', "shop.Or ders's; DROP TABLE users; -- {table}"),
    ('"select"."from"', "select.from"),
    ('shop."\u00dcn\u00efc\u00f6d\u00e9"', "shop.\u00dcn\u00efc\u00f6d\u00e9"),
]
# An advisory lock that a test holds keeps every insert waiting, after it has taken hold of what it refers to.
SLOW_INSERTS = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
CREATE TRIGGER wait BEFORE INSERT ON requirements FOR EACH ROW EXECUTE FUNCTION wait();
"""


@pytest.fixture
async def targets(records: Records) -> dict[str, int]:
    """A record of each association type; no two of them have the same id."""
    ids = {name: number * 100 for number, name in enumerate(TABLES, 1)}
    async with records.connection.transaction():  # no worker may see the route gone
        await records.connection.execute("DELETE FROM services")
        for name, table in TABLES.items():
            await records.connection.execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {ids[name]}")
        await records.user("client", "employee", "liaison")
        await records.application()
        await records.deploy()
    return ids


def refer(required: tuple[str, int], requireable: tuple[str, int]) -> dict[str, Body]:
    """Params that refer to these two."""
    ends = {"required": required, "requireable": requireable}
    return {name: {"type": end[0], "id": end[1]} for name, end in ends.items()}


@pytest.mark.parametrize("requireable", TABLES)
@pytest.mark.parametrize("required", TABLES)
async def test_every_association_type(
    client: Client, records: Records, targets: dict[str, int], application: AppRecord, required: str, requireable: str
) -> None:
    """Any type may require any, itself included; an id counts in its own table alone."""
    ends = refer((required, targets[required]), (requireable, targets[requireable]))
    answer = await post_create(client, {"token": application.token, **ends})
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    assert answer.code_and_body == success(row)
    assert ends == {name: answer.data[name] for name in ends}
    crossed = refer((required, targets[requireable] + 50), (requireable, targets[required] + 50))
    told = (await post_create(client, {"token": application.token, **crossed})).code_and_body
    assert told == refusal(InvalidParam, ("required.id", ABSENT), ("requireable.id", ABSENT))


@pytest.mark.parametrize(
    ("required", "requireable", "faults"),
    [
        (NOT_THERE, 1, ["required.id"]),
        (1, NOT_THERE, ["requireable.id"]),
        (NOT_THERE, NOT_THERE, ["required.id", "requireable.id"]),
        (NOT_THERE, NOT_THERE - 1, ["required.id", "requireable.id"]),
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
    """Each reference that does not exist is named, both at once; nothing is written."""
    assert user_id == 1
    answer = await post_create(client, {"token": application.token, **refer(("User", required), ("User", requireable))})
    assert answer.code_and_body == refusal(InvalidParam, *((fault, ABSENT) for fault in faults))
    assert (await records.count(), answer.outcome) == (0, "none")


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
async def test_a_deletion_under_way_is_waited_for(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection, end: str
) -> None:
    """A create waits for a deletion of what it refers to: committed, the target is gone; rolled back, it is there."""
    kept, _ = await records.user()
    await other.execute("BEGIN")
    await other.execute("DELETE FROM users WHERE id = $1", user_id)
    sent = {"token": application.token, **refer(("User", kept), ("User", user_id))}
    asking = asyncio.create_task(post_create(client, sent))
    await wait_for_lock_waiters(records.connection)
    await other.execute(end)
    answer = await asking
    if end == "COMMIT":
        assert answer.code_and_body == refusal(InvalidParam, ("requireable.id", ABSENT))
    else:
        row = await records.connection.fetchrow("SELECT * FROM requirements")
        assert row is not None
        assert answer.code_and_body == success(row)
    assert await records.count() == (end == "ROLLBACK")


async def test_a_target_that_was_changed_while_it_was_waited_for_counts(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """Whoever locks a target and changes another column of it delays a create, and does not make it fail."""
    async with other.transaction():
        await other.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", user_id)
        asking = asyncio.create_task(post_create(client, params(application.token, user_id)))
        await wait_for_lock_waiters(records.connection)
        await other.execute("UPDATE users SET updated_at = now() WHERE id = $1", user_id)
    assert (await asking).status == "action-successful"
    assert await records.count() == 1


@pytest.mark.parametrize("statement", ["DELETE FROM users WHERE id = $1", "UPDATE users SET id = -1 WHERE id = $1"])
async def test_a_create_under_way_holds_its_targets(
    client: Client, records: Records, application: AppRecord, user_id: int, other: asyncpg.Connection, statement: str
) -> None:
    """A deletion of what a create refers to comes after it: the target is there when the requirement is committed."""
    await records.connection.execute(SLOW_INSERTS)
    await records.connection.execute("SELECT pg_advisory_lock(1)")
    asking = asyncio.create_task(post_create(client, params(application.token, user_id)))
    await wait_for_lock_waiters(records.connection)
    deleting = asyncio.create_task(other.execute(statement, user_id))
    await wait_for_lock_waiters(records.connection, 2)
    assert await records.count() == 0
    await records.connection.execute("SELECT pg_advisory_unlock(1)")
    assert (await asking).status == "action-successful"
    assert (await deleting)[-2:] == " 1"
    assert await records.count() == 1


async def test_other_writes_of_a_target_do_not_wait(
    client: Client, application: AppRecord, user_id: int, other: asyncpg.Connection
) -> None:
    """What changes no id of a target delays no create."""
    async with other.transaction():
        await other.execute("UPDATE users SET updated_at = now() WHERE id = $1", user_id)
        assert (await post_create(client, params(application.token, user_id))).status == "action-successful"


@pytest.mark.parametrize(("table", "setting"), ADDED)
async def test_an_added_association_type(
    config: Config,
    records: Records,
    application: AppRecord,
    user_id: int,
    aiohttp_client: AppClient,
    table: str,
    setting: str,
) -> None:
    """A type that a user adds works like any other, whatever its table is called."""
    schema, dot, _ = table.rpartition(".")
    await records.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}" if dot else "SELECT")
    await records.connection.execute(f"CREATE TABLE {table} AS SELECT 700::bigint AS id")
    await records.connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
    await records.deploy()
    added = replace(config, associations={**config.associations, "Order's {type}": setting})
    client = await aiohttp_client(create_app(added))
    ends = refer(("Order's {type}", 700), ("User", user_id))
    answer = await post_create(client, {"token": application.token, **ends})
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    assert answer.code_and_body == success(row)
    assert ends == {name: answer.data[name] for name in ends}
    crossed = refer(("Order's {type}", user_id), ("User", 700))
    told = (await post_create(client, {"token": application.token, **crossed})).code_and_body
    assert told == refusal(InvalidParam, ("required.id", ABSENT), ("requireable.id", ABSENT))
