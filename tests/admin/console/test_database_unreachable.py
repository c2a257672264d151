"""The console while the database is unreachable."""

import socket
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web

from service.admin import keys
from service.admin.app import create_ops_app
from service.config import Config
from tests.admin.console.conftest import Browser
from tests.admin.console.points import point
from tests.conftest import AppClient

UNREACHABLE = "The database does not answer."

# Terminates every connection that writes to the audit.
TERMINATE_CONNECTION = """
CREATE FUNCTION end_connection() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
CREATE TRIGGER ending BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION end_connection();
"""


@pytest.fixture
def unreachable_app(console_config: Config, tmp_path: Path) -> web.Application:
    """The internal listener's application with an unreachable database."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    database = replace(console_config.database, url=f"postgresql://nobody@127.0.0.1:{port}/nothing")
    return create_ops_app(replace(console_config, database=database), tmp_path)


@pytest.fixture
async def offline_browser(unreachable_app: web.Application, aiohttp_client: AppClient) -> Browser:
    """A logged-in browser while the database is unreachable."""
    browser = Browser(await aiohttp_client(unreachable_app))
    await browser.log_in()
    return browser


async def test_the_overview_works(offline_browser: Browser, unreachable_app: web.Application) -> None:
    """The Overview needs no database, and the tab shows that the unread count is unknown."""
    unreachable_app[keys.HISTORY].add(point(in_flight=3))
    answer = await offline_browser.get("/")
    assert answer.code == 200
    assert "In progress 3" in answer.words
    assert "Notifications ? unread" in answer.words


@pytest.mark.parametrize("path", ["/notifications", "/requirements", "/emails", "/registry", "/access", "/audit"])
async def test_the_other_tabs_show_an_error(offline_browser: Browser, path: str) -> None:
    """A page that needs the database shows an error with the tabs and the request id."""
    answer = await offline_browser.get(path)
    assert answer.code == 503
    assert UNREACHABLE in answer.words
    assert answer.headers["X-Request-ID"] in answer.words
    assert "Overview" in answer.words


async def test_a_change_is_not_made(offline_browser: Browser) -> None:
    """A change that did not reach the database is answered with 503."""
    answer = await offline_browser.post("/registry/deploy", {"name": "orders"})
    assert (answer.code, UNREACHABLE in answer.words) == (503, True)


async def test_a_database_error_is_not_shown_as_unreachable(browser: Browser, connection: asyncpg.Connection) -> None:
    """A database error is distinguished from an unreachable database, without showing its message."""
    await connection.execute("ALTER TABLE audit RENAME TO elsewhere")
    answer = await browser.get("/audit")
    assert (answer.code, UNREACHABLE in answer.words) == (503, False)
    assert "The database returned an error." in answer.words
    assert "relation" not in answer.text


async def test_a_query_that_takes_too_long_is_told(
    console_config: Config, tmp_path: Path, aiohttp_client: AppClient, connection: asyncpg.Connection
) -> None:
    """A page whose query waits too long says so, instead of an error without a reason."""
    database = replace(console_config.database, lock_timeout_seconds=0.1, statement_timeout_seconds=0.2)
    browser = Browser(await aiohttp_client(create_ops_app(replace(console_config, database=database), tmp_path)))
    await browser.log_in()
    async with connection.transaction():
        await connection.execute("LOCK TABLE requirements")
        answer = await browser.get("/requirements")
    assert (answer.code, "The database took too long" in answer.words) == (503, True)


async def test_a_lost_connection_leaves_the_outcome_unknown(browser: Browser, connection: asyncpg.Connection) -> None:
    """If the connection is lost during a change, the page says that the outcome is unknown."""
    await connection.execute(TERMINATE_CONNECTION)
    answer = await browser.post("/registry/deploy", {"name": "orders"})
    assert answer.code == 503
    assert "See the Audit tab for whether it was made" in answer.words
    assert "No changes yet." in (await browser.get("/audit")).words


async def test_logging_in_and_out_needs_no_database(offline_browser: Browser) -> None:
    """Logging in and out works without the database."""
    assert (await offline_browser.post("/logout")).location == "/console/login"
    assert (await offline_browser.log_in()).code == 303
