"""A notification about a refused e-mail appears while it happens."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import Page, expect

from tests.admin.conftest import running_service
from tests.browser.conftest import Site
from tests.mail.conftest import API_KEY, RECIPIENTS, SENDER
from tests.mail.mandrill_server import answering, running

BADGE = ".unread .badge"


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[Site]:
    """A service whose Mandrill rejects every e-mail."""
    connection = await asyncpg.connect(database_url)
    async with running() as mandrill:
        mandrill.behaviour = answering("rejected")
        settings = {
            "REQUIREMENTS__MANDRILL__API_KEY": API_KEY,
            "REQUIREMENTS__MANDRILL__RECIPIENTS": ",".join(RECIPIENTS),
            "REQUIREMENTS__MANDRILL__SENDER": SENDER,
            "REQUIREMENTS__MANDRILL__BASE_URL": mandrill.url,
        }
        async with running_service(tmp_path, database_url, settings) as service:
            await service.serve.event("console-ready")
            yield Site(service, (tmp_path / ".data" / "console-password").read_text().strip(), connection)
    await connection.close()


async def test_a_mandrill_failure_appears_and_is_acknowledged(page: Page, site: Site) -> None:
    """A create whose e-mail is rejected appears as a notification, and can be acknowledged."""
    await site.log_in(page)
    await page.get_by_role("link", name="Notifications").click()
    await expect(page.get_by_text("No notifications yet.")).to_be_visible()
    assert await site.service.create() == "mandrill-email-failed"
    await expect(page.locator("tr.new")).to_have_count(1)
    await expect(page.locator(BADGE)).to_have_text("1 unread")
    await page.locator("[id^=acknowledge-]").first.click()
    await expect(page.locator("tr.new")).to_have_count(0)
    await expect(page.locator(BADGE)).to_have_text("0 unread")
