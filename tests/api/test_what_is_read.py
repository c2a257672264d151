"""Server state that could filter or divert what the service reads: it reads its own tables, or fails with an error."""

import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from service.api.app import create_app
from service.config import Config
from service.config.resources import resource
from service.database.connection import connect
from service.database.migrations import load_migrations, migrate
from service.database.queries import QUERIES, quote_identifier
from tests.api.exchange import post_create
from tests.api.test_references import reference_params
from tests.conftest import AppClient
from tests.databases import connected
from tests.factories import AppRecord, Records, params

CTE = re.compile(r"\b(\w+)(?: \([^()]*\))? AS (?:NOT )?(?:MATERIALIZED )?\(")
CTE_NAMES = sorted({name for statement in QUERIES.values() for name in CTE.findall(statement)})

GRANTS = """
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
GRANT UPDATE ON applications, clients, employees, liaisons, routes, services, users, sessions TO {role};
GRANT INSERT, UPDATE ON requirements, emails, notifications, notification_windows TO {role};
GRANT DELETE ON requirements TO {role};
GRANT INSERT ON changes TO {role};
"""


@pytest.fixture
async def role(records: Records) -> AsyncIterator[str]:
    """A database role with the documented privileges only, which row-level security applies to."""
    name = f"role_{secrets.token_hex(4)}"
    await records.connection.execute(f"CREATE ROLE {name} LOGIN; {GRANTS.format(role=name)}")
    yield name
    await records.connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def as_role(config: Config, role: str) -> Config:
    """Settings to connect as that role."""
    url = re.sub(r"//[^@/]*@", f"//{role}@", config.database.url or "")
    return replace(config, database=replace(config.database, url=url))


async def test_row_security_is_no_bad_token(
    as_role: Config, records: Records, user_id: int, aiohttp_client: AppClient
) -> None:
    """If rows of sessions become hidden from the service, a good token is an error of the service, and not refused."""
    await records.deploy()
    session = await records.session()
    client = await aiohttp_client(create_app(as_role))
    assert (await post_create(client, params(session.token, user_id))).status == "action-successful"
    await records.connection.execute("ALTER TABLE sessions ENABLE ROW LEVEL SECURITY")
    response = await post_create(client, params(session.token, user_id))
    assert (response.status, response.outcome) == ("application-crash", "none")
    assert await records.count() == 1


async def test_a_schema_named_like_the_role(
    as_role: Config, role: str, records: Records, user_id: int, aiohttp_client: AppClient
) -> None:
    """Tables in a schema that PostgreSQL searches first by default do not stand in for the service's own."""
    await records.deploy()
    session = await records.session()
    names = ("sessions", "application_tokens", "applications", "users", "clients", "routes", "services", "requirements")
    copies = "; ".join(f"CREATE TABLE {role}.{name} (LIKE public.{name} INCLUDING ALL)" for name in names)
    await records.connection.execute(
        f"CREATE SCHEMA {role}; {copies}; GRANT USAGE ON SCHEMA {role} TO {role};"
        f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {role} TO {role}"
    )
    client = await aiohttp_client(create_app(as_role))
    assert (await post_create(client, params(session.token, user_id))).status == "action-successful"
    assert await records.count() == 1


async def test_tables_in_another_schema(config: Config, database_url: str, aiohttp_client: AppClient) -> None:
    """With database.schema, the service makes and uses its tables there, and those in public are another's."""
    own = replace(config, database=replace(config.database, schema="App 1"))
    connection = await connect(own.database, database_url, "test")
    await migrate(connection, load_migrations(resource("sql") / "migrations"), "App 1")
    records = Records(connection)
    await records.deploy()
    application = await records.application()
    user_id, _ = await records.user()
    client = await aiohttp_client(create_app(own))
    assert (await post_create(client, params(application.token, user_id))).status == "action-successful"
    assert await connection.fetchval('SELECT count(*) FROM "App 1".requirements') == 1
    async with connected(database_url) as public:
        assert await Records(public).count() == 0
    await connection.close()


async def test_association_tables_named_like_parts_of_statements(
    config: Config, records: Records, application: AppRecord, aiohttp_client: AppClient
) -> None:
    """An association table may have the name of any CTE in our statements: its own rows are locked and referenced."""
    assert {"accepted", "callers", "inserted", "locked"} <= set(CTE_NAMES)
    await records.deploy()
    for number, name in enumerate(CTE_NAMES):
        table = quote_identifier(name)
        await records.connection.execute(f"CREATE TABLE {table} AS SELECT {700 + number}::bigint AS id")
        await records.connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
    added = {f"The {name}": name for name in CTE_NAMES}
    client = await aiohttp_client(create_app(replace(config, associations=added)))
    for number, name in enumerate(CTE_NAMES):
        itself = (f"The {name}", 700 + number)
        good = {"token": application.token, **reference_params(itself, itself)}
        assert (await post_create(client, good)).status == "action-successful", name
        absent = {"token": application.token, **reference_params(itself, (f"The {name}", 1))}
        assert (await post_create(client, absent)).status == "invalid-param", name
