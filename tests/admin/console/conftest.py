"""The console over a real database, and someone who is logged in to it."""

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

PASSWORD = "a password of the team"
NAME = "Ada Lovelace"


@dataclass(frozen=True)
class Answer:
    """An answer of the console, its redirects not followed."""

    code: int
    text: str
    headers: Mapping[str, str]

    @property
    def location(self) -> str | None:
        """Where it leads."""
        return self.headers.get("Location")

    @property
    def words(self) -> str:
        """The text that people read, on one line."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


class Browser:
    """Asks as a browser does that shows the console's pages; `cookies` are kept."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.origin = str(client.make_url("/")).rstrip("/")
        self.csrf = ""

    async def get(self, path: str, **headers: str) -> Answer:
        """The answer to a GET below /console."""
        return await _read(await self.client.get(f"/console{path}", headers=_named(headers), allow_redirects=False))

    async def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """The answer to a form that is sent, with the login's token where `fields` give none."""
        sent = {"csrf": self.csrf, **(fields or {})}
        named = {"Origin": self.origin, **_named(headers)}
        return await _read(await self.client.post(f"/console{path}", data=sent, headers=named, allow_redirects=False))

    async def change(self, path: str, fields: Mapping[str, str] | None = None) -> Answer:
        """The page that a change leads to."""
        answer = await self.post(path, fields)
        assert (answer.code, answer.location is not None) == (303, True), answer.words
        return await self.get((answer.location or "").removeprefix("/console"))

    async def log_in(self, name: str = NAME, password: str = PASSWORD) -> Answer:
        """Log in and remember the login's token; the answer to the attempt."""
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
    """The settings, with a password of the team's."""
    return replace(config, console=replace(config.console, password=PASSWORD))


@pytest.fixture
def ops_app(console_config: Config, tmp_path: Path) -> web.Application:
    """The internal listener's application."""
    return create_ops_app(console_config, tmp_path)


@pytest.fixture
async def stranger(ops_app: web.Application, aiohttp_client: AppClient) -> Browser:
    """Someone who has not logged in."""
    return Browser(await aiohttp_client(ops_app))


@pytest.fixture
async def browser(stranger: Browser) -> Browser:
    """Someone who has."""
    await stranger.log_in()
    return stranger


def routes_of(app: web.Application) -> list[web.AbstractRoute]:
    """Every route of the console, from the application's own URL table."""
    (resource,) = (found for found in app.router.resources() if found.canonical == "/console")
    return [route for route in resource if route.method != "HEAD"]


def address(route: web.AbstractRoute) -> str:
    """An address below /console that leads to a route."""
    canonical = route.resource.canonical if route.resource else ""
    return canonical.removeprefix("/console").replace("{id}", "1").replace("{name}", "console.css")


async def notify(connection: asyncpg.Connection, kind: str = "application-crash", **columns: Any) -> int:
    """The id of a new notification."""
    values = {"message": "Something happened.", "request_id": "r-1", "details": "{}", **columns}
    number: int = await connection.fetchval(
        "INSERT INTO notifications (kind, message, request_id, details) VALUES ($1, $2, $3, $4) RETURNING id",
        kind,
        values["message"],
        values["request_id"],
        values["details"],
    )
    return number
