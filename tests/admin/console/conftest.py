"""Fixtures: the console with a real database, and a logged-in browser."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientResponse, web

from service.admin.app import create_ops_app
from service.config import Config
from tests.conftest import AppClient, Client
from tests.factories import ROUTES

PASSWORD = "a password of the team"
NAME = "Ada Lovelace"


@dataclass(frozen=True)
class Answer:
    """A response of the console. Redirects are not followed."""

    code: int
    text: str
    headers: Mapping[str, str]

    @property
    def location(self) -> str | None:
        """The target of a redirect."""
        return self.headers.get("Location")

    @property
    def words(self) -> str:
        """The visible text on one line."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


class Browser:
    """An HTTP client that acts as a browser on the console's pages and keeps cookies."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.origin = str(client.make_url("/")).rstrip("/")
        self.csrf = ""

    async def get(self, path: str, **headers: str) -> Answer:
        """Send a GET to a path below /console."""
        return await _read(await self.client.get(f"/console{path}", headers=_named(headers), allow_redirects=False))

    async def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """Send a form, with the CSRF token of the login unless `fields` has one."""
        sent = {"csrf": self.csrf, **(fields or {})}
        named = {"Origin": self.origin, **_named(headers)}
        return await _read(await self.client.post(f"/console{path}", data=sent, headers=named, allow_redirects=False))

    async def change(self, path: str, fields: Mapping[str, str] | None = None) -> Answer:
        """Send a form that changes something and return the page it redirects to."""
        answer = await self.post(path, fields)
        assert (answer.code, answer.location is not None) == (303, True), answer.words
        return await self.get((answer.location or "").removeprefix("/console"))

    async def log_in(self, name: str = NAME, password: str = PASSWORD) -> Answer:
        """Log in and keep the CSRF token. Returns the response of the attempt."""
        answer = await self.post("/login", {"name": name, "password": password})
        if answer.code == 303:
            page = await self.get("/registry")
            self.csrf = re.findall(r'name="csrf" value="([^"]+)"', page.text)[0]
        return answer


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


async def _read(response: ClientResponse) -> Answer:
    return Answer(response.status, await response.text(), response.headers)


@pytest.fixture
def console_config(config: Config) -> Config:
    """The configuration with a console password."""
    return replace(config, console=replace(config.console, password=PASSWORD))


@pytest.fixture
def ops_app(console_config: Config, tmp_path: Path) -> web.Application:
    """The internal listener's application."""
    return create_ops_app(console_config, tmp_path, ROUTES)


@pytest.fixture
async def anonymous(ops_app: web.Application, aiohttp_client: AppClient) -> Browser:
    """A browser that is not logged in."""
    return Browser(await aiohttp_client(ops_app))


@pytest.fixture
async def browser(anonymous: Browser) -> Browser:
    """A browser that is logged in."""
    await anonymous.log_in()
    return anonymous


def routes_of(app: web.Application) -> list[web.AbstractRoute]:
    """Every route of the console."""
    (resource,) = (found for found in app.router.resources() if found.canonical == "/console")
    return [route for route in resource if route.method != "HEAD"]


def address(route: web.AbstractRoute) -> str:
    """A path below /console that matches the route."""
    canonical = route.resource.canonical if route.resource else ""
    return canonical.removeprefix("/console").replace("{id}", "1").replace("{name}", "console.css")


async def notify(connection: asyncpg.Connection, kind: str = "application-crash", **columns: Any) -> int:
    """Insert a notification and return its id."""
    values = {"message": "Something happened.", "request_id": "r-1", "details": "{}", **columns}
    number: int = await connection.fetchval(
        "INSERT INTO notifications (kind, message, request_id, details) VALUES ($1, $2, $3, $4) RETURNING id",
        kind,
        values["message"],
        values["request_id"],
        values["details"],
    )
    return number
