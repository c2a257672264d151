"""The console while the database is away: it says so, and the rest of it stays."""

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

AWAY = "The database does not answer."

# The server ends a connection that writes to the audit.
ENDING = """
CREATE FUNCTION end_connection() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
CREATE TRIGGER ending BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION end_connection();
"""


@pytest.fixture
def away_app(console_config: Config, tmp_path: Path) -> web.Application:
    """The internal listener's application on a database that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    database = replace(console_config.database, url=f"postgresql://nobody@127.0.0.1:{port}/nothing")
    return create_ops_app(replace(console_config, database=database), tmp_path)


@pytest.fixture
async def alone(away_app: web.Application, aiohttp_client: AppClient) -> Browser:
    """Someone who is logged in while the database is away."""
    browser = Browser(await aiohttp_client(away_app))
    await browser.log_in()
    return browser


async def test_the_overview_stays(alone: Browser, away_app: web.Application) -> None:
    """The overview is drawn from memory, and the tab says that the number of unread is not known."""
    away_app[keys.HISTORY].add(point(in_flight=3))
    answer = await alone.get("/")
    assert answer.code == 200
    assert "In progress 3" in answer.words
    assert "Notifications ? unread" in answer.words


@pytest.mark.parametrize("path", ["/notifications", "/requirements", "/registry", "/access", "/audit"])
async def test_the_other_tabs_say_so(alone: Browser, path: str) -> None:
    """A page that needs the database says what is the matter, with the tabs and the id of the request."""
    answer = await alone.get(path)
    assert answer.code == 503
    assert AWAY in answer.words
    assert answer.headers["X-Request-ID"] in answer.words
    assert "Overview" in answer.words


async def test_a_change_is_not_made(alone: Browser) -> None:
    """A change that never reached the database is told as not made."""
    answer = await alone.post("/registry/deploy", {"name": "orders"})
    assert (answer.code, AWAY in answer.words) == (503, True)


async def test_a_refusal_of_the_database_is_no_absence(browser: Browser, connection: asyncpg.Connection) -> None:
    """A table that is missing or not allowed is told apart from a database that is away, without its words."""
    await connection.execute("ALTER TABLE audit RENAME TO elsewhere")
    answer = await browser.get("/audit")
    assert (answer.code, AWAY in answer.words) == (503, False)
    assert "The database returned an error." in answer.words
    assert "relation" not in answer.text


async def test_a_lost_answer_is_told_as_open(browser: Browser, connection: asyncpg.Connection) -> None:
    """When the connection ends under a change, nobody knows whether it was made: the page says so."""
    await connection.execute(ENDING)
    answer = await browser.post("/registry/deploy", {"name": "orders"})
    assert answer.code == 503
    assert "See the Audit tab for whether it was made" in answer.words
    assert "No changes yet." in (await browser.get("/audit")).words


async def test_logging_in_and_out_needs_no_database(alone: Browser) -> None:
    """Whoever looks after a database that is away gets in, and out."""
    assert (await alone.post("/logout")).location == "/console/login"
    assert (await alone.log_in()).code == 303
