"""A service that uses every kind of secret, with a PostgreSQL that requires a password."""

import contextlib
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncpg
import pytest

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from tests.databases import connected
from tests.factories import Records
from tests.mail import mandrill_server as mandrill
from tests.mail.mandrill_server import MandrillServer
from tests.security import sentry_server as sentry
from tests.security.sentry_server import SentryServer
from tests.serving.conftest import made as made  # noqa: PLC0414 - a fixture
from tests.serving.postgres import Postgres
from tests.serving.process import REPOSITORY, Serve, serving

ROLE = "canary"

# The grants in docs/security.md, and nothing more.
DOCUMENTED = re.search(r"```sql\n(.*?)```", (REPOSITORY / "docs/security.md").read_text("utf-8"), re.DOTALL)
assert DOCUMENTED
GRANTS = DOCUMENTED[1].replace("TO requirements", f"TO {ROLE}")


@dataclass(frozen=True)
class Secrets:
    """The secrets of the service itself."""

    database_password: str
    mandrill_key: str
    sentry_key: str
    console_password: str


@dataclass
class WatchedService:
    """The running service, with every server that it connects to."""

    serve: Serve
    console: str
    postgres: Postgres
    mandrill: MandrillServer
    sentry: SentryServer
    secrets: Secrets
    http: aiohttp.ClientSession

    @contextlib.asynccontextmanager
    async def records(self) -> AsyncIterator[Records]:
        """Create records in the service's database, over a separate connection."""
        async with self.postgres.connection() as connection:
            yield Records(connection)


def new_secrets() -> Secrets:
    """New random secrets. The passwords contain characters that URLs, JSON and HTML escape."""
    password = f'p@ss/w+rd %41"é {secrets.token_hex(6)}'
    return Secrets(
        password, f"md-{secrets.token_urlsafe(16)}", secrets.token_hex(16), f"the team's \"{secrets.token_hex(6)}"
    )


def require_password(rules: Path) -> None:
    """Insert a rule at the top of pg_hba.conf, so that the service's role needs its password."""
    rules.write_text(f"local all {ROLE} scram-sha-256\n{rules.read_text()}")


async def create_role(postgres: Postgres, password: str) -> str:
    """Create a role with only the documented grants and this password; return its connection URL."""
    async with postgres.connection() as connection:
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        await connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'; {GRANTS}")
        require_password(Path(await connection.fetchval("SHOW hba_file")))
        await connection.execute("SELECT pg_reload_conf()")
    return postgres.url.replace("postgres@", f"{ROLE}:{quote(password, safe='')}@")


@pytest.fixture
async def postgres(made: Path, tmp_path: Path) -> AsyncIterator[Postgres]:
    """A PostgreSQL of the test's own."""
    server = Postgres(Path(shutil.copytree(made, tmp_path / "postgres" / ".data")))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def watched(postgres: Postgres, tmp_path: Path) -> AsyncIterator[WatchedService]:
    """The service with two workers, debug logging, Mandrill and Sentry."""
    service_secrets = new_secrets()
    url = await create_role(postgres, service_secrets.database_password)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.url.replace("postgres@", f"{ROLE}:wrong@"))
    async with (
        mandrill.running() as mandrill_server,
        sentry.running() as sentry_server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
        connected(postgres.url) as connection,
    ):
        await Records(connection).deploy()
        environ = {
            "DATABASE_URL": url,
            "WEB_CONCURRENCY": "2",
            "LOG_LEVEL": "debug",
            "SENTRY_DSN": f"http://{service_secrets.sentry_key}@{sentry_server.address}/1",
            "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false",
            "REQUIREMENTS__SERVER__REQUEST_TIMEOUT_SECONDS": "4",
            "REQUIREMENTS__DATABASE__STATEMENT_TIMEOUT_SECONDS": "3",
            "REQUIREMENTS__DATABASE__LOCK_TIMEOUT_SECONDS": "2",
            "REQUIREMENTS__CONSOLE__PASSWORD": service_secrets.console_password,
            "REQUIREMENTS__MANDRILL__API_KEY": service_secrets.mandrill_key,
            "REQUIREMENTS__MANDRILL__RECIPIENTS": "ann@example.com",
            "REQUIREMENTS__MANDRILL__SENDER": "requirements@example.com",
            "REQUIREMENTS__MANDRILL__BASE_URL": mandrill_server.url,
            "REQUIREMENTS__MANDRILL__TIMEOUT_SECONDS": "1",
        }
        async with serving(tmp_path, environ=environ) as serve:
            await serve.workers()
            console = (await serve.event("console-listening"))[0]["url"]
            yield WatchedService(serve, console, postgres, mandrill_server, sentry_server, service_secrets, http)
