"""Values that other software may have stored: whatever a column holds, its row is shown or refused by the rules."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg
import pytest

from service.config import Config
from service.database.connection import connect
from service.database.pool import Database, open_database
from service.domain.callers import digest
from service.domain.lists import Filters
from service.domain.statuses import ActionSuccessful, InvalidParam, InvalidToken, SessionExpired
from service.storage import applications, audit, emails, notifications, registry, requirement_pages, sessions
from service.storage.pages import LAST_ID
from service.storage.tokens import look_up_tokens, touch_sessions
from tests.api.exchange import IDEMPOTENCY_KEY, post_create, post_create_by, read_envelope
from tests.conftest import Client
from tests.factories import READ, Records, params

EARLIEST, LATEST = "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"

# Times at the ends of what PostgreSQL, Python and RFC 3339 can say, and how the API shows them.
TIMES = {
    "-infinity": EARLIEST,
    "4714-11-24 00:00:00+00 BC": EARLIEST,
    "0001-12-31 23:59:59.999999+00 BC": EARLIEST,
    "0001-01-01 00:00:00+00": EARLIEST,
    "1600-02-29 12:00:00.000001+00": "1600-02-29T12:00:00.000001Z",
    "9999-12-31 23:59:59.999999+00": LATEST,
    "10000-01-01 00:00:00+00": LATEST,
    "20000-01-01 00:00:00+00": LATEST,
    "294276-12-31 23:59:59.999999+00": LATEST,
    "infinity": LATEST,
}
EXTREMES: dict[str, tuple[str | None, ...]] = {
    "timestamp with time zone": tuple(TIMES),
    "bigint": ("-9223372036854775808", "-1", "0", "9223372036854775807"),
    "integer": ("-2147483648", "-1", "0", "2147483647"),
    "boolean": ("true", "false"),
    "text": ("", "x" * 2_000, "\x01\x1b[31m\u202e\uffff\U0010ffff"),
    "bytea": ("\\x", "\\x00ff", "\\x" + "ab" * 1_000),
    "uuid": ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    "jsonb": ("null", "[]", '"text"', "1e400", '{"a": {"b": [1, -1e-400, "\\u202e"]}}'),
    "xid8": ("0", "1", "18446744073709551615"),
    "text[]": ("{}", "{NULL}", "{{a,b},{c,d}}", '{""}'),
}

COLUMNS = """
SELECT relname, attname, format_type(atttypid, NULL), NOT attnotnull
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'schema_migrations'
    AND attnum > 0 AND NOT attisdropped
ORDER BY relname, attnum
"""
KEY_COLUMNS = """
SELECT attname::text FROM pg_index JOIN pg_attribute ON attrelid = indrelid
WHERE indisprimary AND attnum = ANY (indkey) AND indrelid = $1::regclass
"""

# The tables that calls read. A change of the registry reaches the workers later, and concerns every caller.
READ_BY_CALLS = {
    *(
        "application_tokens",
        "applications",
        "sessions",
        "users",
        "clients",
        "employees",
        "liaisons",
        "requirements",
        "changes",
    ),
}


class Row(NamedTuple):
    """The row of a table whose columns are changed, by its primary key, as text."""

    table: str
    key: dict[str, str]


class World(NamedTuple):
    """The callers whose records are changed, by their tokens; one whose records are not; and what they refer to."""

    connection: asyncpg.Connection
    database: Database
    application: str
    session: str
    neighbour: str
    user_id: int
    requirement_id: int


# Every function of `storage` that reads records, for the API, the console and the command line.
LISTS: tuple[Callable[[World], Awaitable[Any]], ...] = (
    lambda it: registry.load_registry(it.connection),
    lambda it: registry.list_registry(it.connection),
    lambda it: applications.list_applications(it.connection, size=None),
    lambda it: applications.find_application(it.connection, 1),
    lambda it: applications.list_application_tokens(it.connection, 1),
    lambda it: sessions.list_sessions(it.connection),
    lambda it: sessions.list_sessions(it.connection, email="a@example.com"),
    lambda it: emails.list_emails(it.connection, None, 100),
    lambda it: emails.claim_emails(it.database, 100, timedelta(0)),
    lambda it: notifications.list_notifications(it.connection),
    lambda it: notifications.find_notification(it.connection, 1),
    lambda it: notifications.list_notification_kinds(it.connection),
    lambda it: audit.list_audit(it.database, LAST_ID),
    lambda it: requirement_pages.list_requirements(it.connection, Filters()),
    lambda it: requirement_pages.list_requirements(it.connection, Filters("User", it.user_id, key="k")),
    lambda it: requirement_pages.list_changes(it.connection, it.requirement_id),
    lambda it: requirement_pages.find_requirement(it.connection, it.requirement_id),
    lambda it: look_up_tokens(it.database, [digest(it.application), digest(it.session), digest(it.neighbour)]),
    lambda it: touch_sessions(it.database, [1], timedelta(0)),
)


async def populate(client: Client, records: Records, reading: asyncpg.Connection, database: Database) -> World:
    """Create a record in every table. The callers under test own the first one of each."""
    connection = records.connection
    application = await records.application()
    session = await records.session("client", "employee", "liaison", application_id=application.id)
    neighbour = await records.application()
    user_id, _ = await records.user()
    sent = params(application.token, user_id, key="k", value="v")
    recorded = await post_create(client, sent, {IDEMPOTENCY_KEY: "k"})
    await records.deploy(sensitive_params=False, route=("other", "v1", "create"))
    # A change, by other software. What the test stores from here on is not to be recorded or adjusted.
    await connection.execute("UPDATE requirements SET value = 'w'; UPDATE requirements SET value = 'v'")
    await connection.execute("ALTER TABLE requirements DISABLE TRIGGER USER")
    insert_email = "INSERT INTO emails (requirement_id, recipients) VALUES ($1, '{a@example.com}')"
    await connection.execute(insert_email, recorded.data["id"])
    await connection.execute(
        """
        INSERT INTO notifications (kind, message) VALUES ('application-crash', 'x');
        INSERT INTO notification_windows (kind, cause) VALUES ('application-crash', 'x');
        INSERT INTO audit (actor, action) VALUES ('someone', 'something');
        """
    )
    await connection.execute("SELECT adopt_feed(); INSERT INTO change_marks VALUES (pg_current_xact_id())")
    callers = (application.token, session.token, neighbour.token)
    return World(reading, database, *callers, user_id, recorded.data["id"])


async def row_of(connection: asyncpg.Connection, table: str) -> Row:
    """The row whose columns are changed: the first one, in the registry the last one."""
    names = [name for (name,) in await connection.fetch(KEY_COLUMNS, table)]
    assert names, f"{table} has no primary key"
    direction = "DESC" if table in ("services", "routes") else "ASC"
    chosen = ", ".join(f'"{name}"::text' for name in names)
    row = await connection.fetchrow(f'SELECT {chosen} FROM {table} ORDER BY "{names[0]}" {direction} LIMIT 1')  # noqa: S608
    assert row is not None, f"{table} is empty"
    return Row(table, dict(zip(names, row, strict=True)))


async def change(connection: asyncpg.Connection, row: Row, name: str, kind: str, value: str | None) -> Row | None:
    """Store a value in a column; return the row by its key as it is then, or None if a constraint forbids the value."""
    where = " AND ".join(f'"{key}"::text = ${number}' for number, key in enumerate(row.key, start=2))
    statement = f'UPDATE {row.table} SET "{name}" = $1::text::{kind} WHERE {where}'  # noqa: S608
    try:
        assert await connection.execute(statement, value, *row.key.values()) == "UPDATE 1"
    except asyncpg.IntegrityConstraintViolationError:
        return None
    return Row(row.table, row.key | ({name: value} if name in row.key and value is not None else {}))


async def read_lists(world: World) -> list[str]:
    """Read every list; return the errors."""
    found = []
    for number, read in enumerate(LISTS):
        try:
            await read(world)
        except Exception as error:  # noqa: BLE001 - any error is a finding
            found.append(f"list {number}: {error!r}")
    return found


async def call_all(client: Client, world: World) -> list[tuple[str, str]]:
    """Send calls of all callers at once; return the token and the status of each."""
    views = {"session_view": "detailed", "application_view": "detailed"}

    async def create(token: str, key: str | None) -> tuple[str, str]:
        body = params(token, world.user_id, key="k", value="v", **views)
        return token, (await post_create(client, body, {IDEMPOTENCY_KEY: key} if key else None)).status

    async def read(token: str) -> tuple[str, str]:
        response = await client.post(READ, json={"token": token, "id": world.requirement_id, **views})
        return token, (await read_envelope(response)).status

    async def index(token: str, order: str) -> tuple[str, str]:
        body = {"token": token, "sort": {"by": order}, "count": True}
        return token, (await read_envelope(await client.post("/api/v1/requirements/index", json=body))).status

    tokens = (world.application, world.session, world.neighbour)
    calls = [create(token, key) for token in tokens for key in (None, "k")]
    calls += map(read, tokens)
    calls += [index(world.neighbour, order) for order in ("created_at", "updated_at")]
    return list(await asyncio.gather(*calls))


def wrong(answers: list[tuple[str, str]], world: World, column: str) -> Iterator[str]:
    """What no caller may see: a crash, or a neighbour that is refused."""
    for token, status in answers:
        allowed = {ActionSuccessful.name}
        if token != world.neighbour:
            allowed |= {InvalidToken.name, SessionExpired.name, "client-required"}
        if column in ("requirements.id", "requirements.params_digest", "changes.params_digest"):
            allowed |= {InvalidParam.name}
        if status not in allowed:
            yield f"{'a neighbour' if token == world.neighbour else 'a caller'} got {status}"


async def test_every_value_of_every_column_is_read(config: Config, client: Client, records: Records) -> None:
    """Whatever a column holds, no call crashes, no neighbour is refused, and every list can be read."""
    connection, found, stored = records.connection, [], 0
    assert config.database.url is not None
    reading = await connect(config.database, config.database.url, "test")
    async with open_database(config.database, config.database.url) as database:
        world = await populate(client, records, reading, database)
        for table, name, kind, nullable in await connection.fetch(COLUMNS):
            row = await row_of(connection, table)
            where = " AND ".join(f'"{key}"::text = ${number}' for number, key in enumerate(row.key, start=1))
            original = f'SELECT "{name}"::text FROM {table} WHERE {where}'  # noqa: S608
            before = await connection.fetchval(original, *row.key.values())
            for value in EXTREMES[kind] + ((None,) if nullable else ()):
                changed = await change(connection, row, name, kind, value)
                if changed is None:
                    continue
                stored += 1
                answers = await call_all(client, world) if table in READ_BY_CALLS else []
                problems = [*wrong(answers, world, f"{table}.{name}"), *await read_lists(world)]
                found += [f"{table}.{name} = {str(value)[:40]!r}: {problem}" for problem in problems]
                if table == "requirements":
                    await connection.execute("DELETE FROM requirements WHERE id::text <> $1", changed.key["id"])
                assert await change(connection, changed, name, kind, before)
    await reading.close()
    assert found == []
    assert stored > 200


@pytest.mark.parametrize("stored", TIMES)
async def test_any_time_is_shown_in_one_form(client: Client, records: Records, stored: str) -> None:
    """A time that RFC 3339 cannot say is shown as the nearest one that it can, always with Z."""
    application = await records.application()
    session = await records.session(application_id=application.id, remember_me=True)
    # Otherwise updated_at grows with each change.
    await records.connection.execute("ALTER TABLE requirements DISABLE TRIGGER USER")
    created = await post_create_by(client, session)
    for table, columns in (
        ("sessions", ("created_at", "last_used_at")),
        ("applications", ("created_at", "updated_at")),
        ("requirements", ("created_at", "updated_at")),
    ):
        for column in columns:
            await records.connection.execute(f"UPDATE {table} SET {column} = '{stored}'")  # noqa: S608
    body = {"token": session.token, "id": created.data["id"], "session_view": "default", "application_view": "detailed"}
    answer = await read_envelope(await client.post(READ, json=body))
    assert answer.status == "action-successful"
    shown = [answer.data["created_at"], answer.data["updated_at"], answer.body["session"]["created_at"]]
    shown += [answer.body["session"]["last_used_at"], answer.body["application"]["created_at"]]
    shown.append(answer.body["application"]["updated_at"])
    assert shown == [TIMES[stored]] * 6


@pytest.mark.parametrize("keyed", [False, True], ids=["plain", "keyed"])
@pytest.mark.parametrize("stored", TIMES)
async def test_a_session_is_judged_by_the_rule_at_any_time(
    client: Client, records: Records, stored: str, *, keyed: bool
) -> None:
    """A session that was created in the future is valid, one of the distant past expired; neighbours are served."""
    session, neighbours = await records.session(), [await records.session() for _ in range(3)]
    update = f"UPDATE sessions SET created_at = '{stored}', last_used_at = '{stored}' WHERE id = $1"  # noqa: S608
    await records.connection.execute(update, session.id)
    headers = {IDEMPOTENCY_KEY: "k"} if keyed else None
    view = {"session_view": "default"}
    answers = await asyncio.gather(
        *(post_create(client, params(one.token, one.user_id, **view), headers) for one in (session, *neighbours))
    )
    assert [answer.status for answer in answers[1:]] == ["action-successful"] * 3
    valid = TIMES[stored] == LATEST
    assert answers[0].status == ("action-successful" if valid else SessionExpired.name)
    if valid:
        assert answers[0].body["session"]["expires_at"] == LATEST
    assert await records.count() == len(neighbours) + valid
