"""The API documentation in a real browser."""

import json
import re
from typing import Literal

from playwright.async_api import Page, expect

from tests.browser.conftest import PageLog, Screenshot, Site


async def test_a_create_is_tried_from_the_docs(page: Page, site: Site, screenshot: Screenshot) -> None:
    """With the demo token, "Try it out" sends a create and shows the response."""
    demo = site.service.demo
    await page.goto(f"{site.api}/docs")
    await page.get_by_role("button", name=re.compile("^Authorize")).first.click()
    await page.locator(".auth-container input").first.fill(demo.application_token)
    await page.locator(".auth-container").get_by_role("button", name=re.compile("Apply|Authorize")).first.click()
    await page.get_by_role("button", name="Close").first.click()

    operation = page.locator(".opblock-post").first
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await screenshot(page, "docs")
    params = {
        "required": {"type": "Service", "id": demo.service_id},
        "requireable": {"type": "Application", "id": demo.application_id},
        "key": "tier",
        "value": "gold",
    }
    await operation.locator("textarea.body-param__text").fill(json.dumps(params))
    await operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    await expect(answer.locator(".response-col_status").nth(1)).to_contain_text("200")
    await expect(answer).to_contain_text("action-successful")
    await screenshot(page, "docs-answered")
    assert await site.database.fetchval("SELECT value FROM requirements ORDER BY id DESC LIMIT 1") == "gold"


async def test_the_docs_are_dark_at_night(page: Page, site: Site, screenshot: Screenshot) -> None:
    """The page follows the system's theme, at its start and when that changes."""
    operation = page.locator(".opblock-post").first
    ground = "() => getComputedStyle(document.body).backgroundColor"
    await page.emulate_media(color_scheme="dark")
    await page.goto(f"{site.api}/docs")
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await screenshot(page, "docs-dark")
    schemes: tuple[tuple[Literal["dark", "light"], bool], ...] = (("dark", True), ("light", False), ("dark", True))
    for scheme, dark in schemes:
        await page.emulate_media(color_scheme=scheme)
        channels = [int(channel) for channel in re.findall(r"\d+", await page.evaluate(ground))[:3]]
        text = await operation.locator(".opblock-summary-path").evaluate("(e) => getComputedStyle(e).color")
        lightness = [int(channel) for channel in re.findall(r"\d+", text)[:3]]
        assert (max(channels) < 80, min(lightness) > 150) == (dark, dark), scheme
        hint = await page.locator(".hint").evaluate("(e) => getComputedStyle(e).backgroundColor")
        assert (max(int(channel) for channel in re.findall(r"\d+", hint)[:3]) < 100) is dark


async def test_the_docs_show_a_refusal(page: Page, site: Site, page_log: PageLog) -> None:
    """A create with an unknown token shows the refusal, and writes nothing."""
    count = "SELECT count(*) FROM requirements"
    before = await site.database.fetchval(count)
    await page.goto(f"{site.api}/docs")
    operation = page.locator(".opblock-post").first
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.locator("textarea.body-param__text").fill(json.dumps({"token": "nobody's"}))
    await operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    await expect(answer.locator(".response-col_status").nth(1)).to_contain_text("401")
    await expect(answer).to_contain_text("invalid-token")
    assert await site.database.fetchval(count) == before
    page_log.messages.clear()  # Chromium logs every error response
