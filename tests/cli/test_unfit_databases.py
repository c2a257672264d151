"""Databases that `serve` rejects, with one line that says why and what to do."""

import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.command import PASSWORD, CommandLine
from tests.databases import connected
from tests.factories import Records

ASSOCIATIONS = [
    ("absent", "public.absent is not a table in this database"),
    ("a_view", "public.a_view is not a table in this database"),
    ("no_id", 'public.no_id needs a column "id" of type bigint with a unique index'),
    ("small_id", 'public.small_id needs a column "id" of type bigint with a unique index'),
    ("not_unique", 'public.not_unique needs a column "id" of type bigint with a unique index'),
    ("partly_unique", 'public.partly_unique needs a column "id" of type bigint with a unique index'),
    ("pair_unique", 'public.pair_unique needs a column "id" of type bigint with a unique index'),
    ('"; DROP TABLE users; --', 'public."; DROP TABLE users; -- is not a table in this database'),
]

TABLES = """
CREATE VIEW a_view AS SELECT id FROM users;
CREATE TABLE no_id (number bigint PRIMARY KEY);
CREATE TABLE small_id (id integer PRIMARY KEY);
CREATE TABLE not_unique (id bigint);
CREATE TABLE partly_unique (id bigint);
CREATE UNIQUE INDEX ON partly_unique (id) WHERE id > 5;
CREATE TABLE pair_unique (id bigint, part bigint, UNIQUE (id, part));
"""


@pytest.mark.parametrize(("table", "said"), ASSOCIATIONS)
async def test_unfit_associations(command: CommandLine, records: Records, table: str, said: str) -> None:
    """An association table without the required columns stops `serve`. The error names its type and what is missing."""
    await records.connection.execute(TABLES)
    done = await command(
        "serve", PORT="0", REQUIREMENTS__DATABASE__REQUIRE_DURABLE="false", REQUIREMENTS__ASSOCIATIONS__Order=table
    )
    assert (done.code, done.complaint) == (78, f"associations.Order: {said}")


@pytest.fixture
async def role(records: Records) -> AsyncIterator[str]:
    """A database role that may read and write all tables."""
    name = f"role_{secrets.token_hex(4)}"
    await records.connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    await records.connection.execute(
        f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {name}; GRANT DELETE ON requirements TO {name}"
    )
    yield name
    await records.connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.mark.parametrize(
    ("revoked", "code", "said"),
    [
        (
            "UPDATE ON users",
            78,
            "associations.User: public.users cannot be referenced: grant the database role",
        ),
        ("INSERT ON requirements", 1, "the database role lacks privileges: grant it INSERT on requirements"),
        ("UPDATE ON sessions", 1, "the database role lacks privileges: grant it UPDATE on sessions"),
    ],
)
async def test_missing_privileges(
    command: CommandLine, records: Records, role: str, revoked: str, code: int, said: str
) -> None:
    """A missing privilege stops `serve`. The error names it."""
    await records.connection.execute(f"REVOKE {revoked} FROM {role}")
    url = re.sub(r"//[^@/]*@", f"//{role}:{PASSWORD}@", command.url)
    done = await command("serve", PORT="0", DATABASE_URL=url, REQUIREMENTS__DATABASE__REQUIRE_DURABLE="false")
    assert done.code == code
    assert said in done.complaint
    assert PASSWORD not in done.errors


async def test_a_command_lacks_a_privilege(command: CommandLine, records: Records, role: str) -> None:
    """A command that lacks a privilege reports the database's error."""
    await records.connection.execute(f"REVOKE INSERT ON applications FROM {role}")
    url = re.sub(r"//[^@/]*@", f"//{role}:{PASSWORD}@", command.url)
    done = await command("applications", "create", "shop", DATABASE_URL=url)
    assert (done.code, done.complaint) == (1, "42501 permission denied for table applications")


async def test_a_database_that_may_lose_what_was_acknowledged(command: CommandLine, records: Records) -> None:
    """`serve` rejects a server with fsync off, unless the settings say that the database need not be durable."""
    assert await records.connection.fetchval("SHOW fsync") == "off"
    done = await command("serve", PORT="0")
    assert done.code == 1
    assert done.complaint == (
        "the server runs with fsync off and may lose acknowledged writes: turn it on, "
        "or set database.require_durable to false"
    )


MISLEADING = [
    ("ALTER TABLE sessions ENABLE ROW LEVEL SECURITY", "sessions has row-level security, which hides rows from the da"),
    ("CREATE RULE none AS ON INSERT TO requirements DO INSTEAD NOTHING", "requirements has rules, which change what"),
    (
        "ALTER TABLE notification_windows RENAME TO w; CREATE VIEW notification_windows AS SELECT * FROM w;"
        "GRANT SELECT, INSERT, UPDATE ON notification_windows TO PUBLIC",
        "notification_windows is not a table: restore the table that `migrate` made",
    ),
    ("ALTER ROLE {role} SET session_replication_role = replica", "session_replication_role is replica, which hides or"),
    (
        "ALTER ROLE {role} SET zero_damaged_pages = on",
        "zero_damaged_pages is on, which hides or changes data: reset it",
    ),
]


@pytest.mark.parametrize(("change", "said"), MISLEADING)
async def test_a_database_that_misleads(
    command: CommandLine, records: Records, role: str, change: str, said: str
) -> None:
    """`serve` rejects a database that hides rows from its role, or does not store what is written."""
    await records.connection.execute(change.format(role=role))
    url = re.sub(r"//[^@/]*@", f"//{role}:{PASSWORD}@", command.url)
    done = await command("serve", PORT="0", DATABASE_URL=url, REQUIREMENTS__DATABASE__REQUIRE_DURABLE="false")
    assert (done.code, said in done.complaint) == (1, True), done.errors


async def test_an_association_table_that_hides_rows(command: CommandLine, records: Records, role: str) -> None:
    """`serve` rejects an association table with row-level security. The error names its type."""
    await records.connection.execute(
        "CREATE TABLE orders (id bigint PRIMARY KEY); ALTER TABLE orders ENABLE ROW LEVEL SECURITY;"
        f"GRANT SELECT, UPDATE ON orders TO {role}"
    )
    url = re.sub(r"//[^@/]*@", f"//{role}:{PASSWORD}@", command.url)
    durable = {"REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false"}
    done = await command("serve", PORT="0", DATABASE_URL=url, REQUIREMENTS__ASSOCIATIONS__Order="orders", **durable)
    assert done.code == 78
    assert done.complaint.startswith("associations.Order: public.orders has row-level security, which hides rows from")


@pytest.mark.parametrize("words", ["routes list", "migrate status", "applications create shop", "purge"])
async def test_a_command_without_a_database(tmp_path: Path, words: str) -> None:
    """A command other than serve, demo and migrate makes no database. It says which one it needs."""
    done = await CommandLine(tmp_path, "")(*words.split())
    assert done.code == 1
    assert done.complaint == (
        f"DATABASE_URL is not set, and {tmp_path / '.data'} holds no embedded PostgreSQL: set DATABASE_URL, or run "
        "`requirements-service migrate` to create one"
    )
    assert not (tmp_path / ".data").exists()


async def test_migrate_makes_the_schema(bare: CommandLine) -> None:
    """`migrate` makes database.schema and the tables in it, and other commands use them."""
    schema = {"REQUIREMENTS__DATABASE__SCHEMA": "app"}
    assert (await bare("migrate", **schema)).code == 0
    assert (await bare("applications", "create", "shop", **schema)).code == 0
    async with connected(bare.url) as connection:
        assert await connection.fetchval("SELECT slug FROM app.applications") == "shop"
        assert await connection.fetchval("SELECT to_regclass('public.applications')") is None
    assert (await bare("applications", "list")).complaint.startswith("migrations are pending")


async def test_a_changed_migration(command: CommandLine, records: Records) -> None:
    """If the file of an applied migration has changed, `migrate` fails and `migrate status` says so."""
    await records.connection.execute("UPDATE schema_migrations SET sha256 = 'x' WHERE version = 1")
    done = await command("migrate")
    assert done.code == 1
    assert done.complaint == "0001_tables has changed since it was applied: write a new migration instead"
    assert (await command("migrate", "status")).table[1][1] == "applied, and its file has changed since"
