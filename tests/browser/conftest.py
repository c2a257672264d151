"""A real browser on a running service: what it shows, complains of and asks for is kept and judged."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.admin.conftest import Watched, watched

# As root it needs no sandbox of its own; nothing but the pages may ask anything of anybody, and no name is resolved.
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
PATIENCE_MILLISECONDS = 15_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

Shoot = Callable[[Page, str], Awaitable[None]]


@dataclass
class Seen:
    """What a browser's pages complained of and asked for."""

    complaints: list[str] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)

    def watch(self, context: BrowserContext) -> None:
        """Keep whatever the pages of `context` do from now on."""
        context.on("request", lambda request: self.addresses.add(request.url))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("console", lambda message: self._hear(message.type, message.text))

    def _hear(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    @property
    def places(self) -> set[str]:
        """The hosts that were asked."""
        return {urlsplit(address).hostname or "" for address in self.addresses if not address.startswith("data:")}


@dataclass
class Site:
    """The running service, and what opens its console."""

    service: Watched
    password: str
    database: asyncpg.Connection

    @property
    def api(self) -> str:
        """The address of the API."""
        return self.service.serve.url

    async def log_in(self, page: Page, name: str = "Ada Lovelace") -> None:
        """Log in as a person does; ends on the overview."""
        await page.goto("/")
        await page.get_by_label("Your name").fill(name)
        await page.get_by_label("Password").fill(self.password)
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_role("heading", name="Overview").wait_for()


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The system's Chromium."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "a Chromium is needed: apt-get install chromium, or say where it is: CHROMIUM=…"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield browser
        await browser.close()


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[Site]:
    """A service of the test's own, with the demo's records."""
    connection = await asyncpg.connect(database_url)
    async with watched(tmp_path, database_url) as service:
        await service.serve.event("console-ready")
        yield Site(service, (tmp_path / ".data" / "console-password").read_text().strip(), connection)
    await connection.close()


@pytest.fixture
async def seen() -> AsyncIterator[Seen]:
    """What the test's pages do: at its end nothing was complained of, and nobody else was asked."""
    seen = Seen()
    yield seen
    assert seen.complaints == []
    assert seen.places <= LOOPBACK


@pytest.fixture
async def page(chromium: Browser, seen: Seen, site: Site) -> AsyncIterator[Page]:
    """A page in a window of its own, which is closed before `site` stops and could break off what it still loads."""
    size: Any = DESKTOP
    context = await chromium.new_context(viewport=size, base_url=site.service.console)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    seen.watch(context)
    yield await context.new_page()
    await context.close()


@pytest.fixture
def shoot() -> Shoot:
    """Keeps a picture of a page in the folder that SCREENSHOTS names, where it names one."""
    folder = os.environ.get("SCREENSHOTS")

    async def shoot(page: Page, name: str) -> None:
        if folder:
            await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return shoot
