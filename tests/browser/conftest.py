"""Fixtures: Chromium on a running service. Console messages and requests are recorded and checked."""

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

from tests.admin.conftest import RunningService, running_service

# Root cannot use the sandbox. Chromium's own background requests are off, and only local host names resolve.
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

Screenshot = Callable[[Page, str], Awaitable[None]]


@dataclass
class PageLog:
    """The console messages and requests of the pages."""

    messages: list[str] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)

    def watch(self, context: BrowserContext) -> None:
        """Record the pages of `context` from now on."""
        context.on("request", lambda request: self.addresses.add(request.url))
        context.on("weberror", lambda error: self.messages.append(str(error.error)))
        context.on("console", lambda message: self._hear(message.type, message.text))

    def _hear(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.messages.append(text)

    @property
    def hosts(self) -> set[str]:
        """The hosts that were requested."""
        return {urlsplit(address).hostname or "" for address in self.addresses if not address.startswith("data:")}


@dataclass
class Site:
    """The running service, the console's password and a database connection."""

    service: RunningService
    password: str
    database: asyncpg.Connection

    @property
    def api(self) -> str:
        """The address of the API."""
        return self.service.serve.url

    async def log_in(self, page: Page, name: str = "Ada Lovelace") -> None:
        """Log in with the form, and wait for the Overview."""
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
    """A service for one test, with the demo records."""
    connection = await asyncpg.connect(database_url)
    async with running_service(tmp_path, database_url) as service:
        await service.serve.event("console-ready")
        yield Site(service, (tmp_path / ".data" / "console-password").read_text().strip(), connection)
    await connection.close()


@pytest.fixture
async def page_log() -> AsyncIterator[PageLog]:
    """Record the pages of the test. Fails at its end on console errors and on requests to other hosts."""
    page_log = PageLog()
    yield page_log
    assert page_log.messages == []
    assert page_log.hosts <= LOOPBACK


@pytest.fixture
async def page(chromium: Browser, page_log: PageLog, site: Site) -> AsyncIterator[Page]:
    """A page. It is closed before `site` stops, which would interrupt its requests."""
    size: Any = DESKTOP
    context = await chromium.new_context(viewport=size, base_url=site.service.console)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page_log.watch(context)
    yield await context.new_page()
    await context.close()


@pytest.fixture
def screenshot() -> Screenshot:
    """Saves a screenshot in the folder SCREENSHOTS, if it is set."""
    folder = os.environ.get("SCREENSHOTS")

    async def screenshot(page: Page, name: str) -> None:
        if folder:
            await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return screenshot
