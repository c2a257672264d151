"""Accessibility of the console: keyboard, phone, dark theme, names and contrast."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import DESKTOP, PATIENCE_MILLISECONDS, PHONE, PageLog, Screenshot, Site

PAGES = {
    "overview": "/",
    "notifications": "/notifications",
    "notification": "/notifications/1",
    "requirements": "/requirements",
    "requirement": "/requirements/1",
    "emails": "/emails",
    "registry": "/registry",
    "access": "/access",
    "application": "/access/applications/1",
    "audit": "/audit",
}

# Every text with a contrast ratio below 4.5, as WCAG 2 defines it.
LOW_CONTRAST = r"""
() => {
  const channels = (css) => { const [r, g, b, a = 1] = css.match(/[\d.]+/g).map(Number); return [r, g, b, a]; };
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const ground = channels(getComputedStyle(e).backgroundColor);
      if (ground[3] === 1) return ground;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const e of document.querySelectorAll("body *")) {
    const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent.trim()).join("");
    if (!text || !e.checkVisibility() || e.closest("svg, script, .sr")) continue;
    const [a, b] = [light(channels(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push(`${e.tagName}.${e.className} ${text.slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return faint;
}
"""

# What a page lacks for screen readers.
MISSING_NAMES = r"""
() => {
  const faults = [];
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  faults.push(...ids.filter((id, place) => ids.indexOf(id) !== place).map((id) => `id twice: ${id}`));
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!e.labels.length) faults.push(`no label: ${e.name}`);
  for (const e of document.querySelectorAll("button, a, summary"))
    if (!e.textContent.trim()) faults.push(`no text: ${e.outerHTML}`);
  for (const e of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const id of (e.getAttribute("aria-labelledby") ?? e.getAttribute("aria-describedby")).split(" "))
      if (!document.getElementById(id)) faults.push(`points nowhere: ${id}`);
  for (const e of document.querySelectorAll("table")) if (!e.caption) faults.push("a table without a caption");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (!document.documentElement.lang) faults.push("no language");
  return faults;
}
"""
FOCUSED = "() => (document.activeElement.textContent.trim() || document.activeElement.id).replace(/\\s+/g, ' ')"
OUTLINE = "() => { const of = getComputedStyle(document.activeElement); return of.outlineStyle + of.outlineWidth; }"


@pytest.fixture
async def populated(site: Site) -> Site:
    """A console with records on each tab."""
    await site.database.execute(
        "INSERT INTO notifications (kind, message, request_id) "
        "SELECT 'application-crash', 'The database did not answer.', md5(n::text) FROM generate_series(1, 3) n"
    )
    await site.database.execute("UPDATE notifications SET acknowledged_at = now() WHERE id = 1")
    await site.database.execute(
        "INSERT INTO audit (actor, action, details) VALUES ('Ada', 'deploy', '{\"name\": \"x\"}')"
    )
    for _ in range(3):
        await site.service.create()
    await site.database.execute(
        "INSERT INTO emails (requirement_id, state, last_error, sent_at) VALUES "
        "(1, 'sent', NULL, now()), (2, 'pending', '503 Service Unavailable', NULL), (3, 'dead', 'rejected', NULL)"
    )
    return site


@pytest.fixture(params=["light", "dark", "phone", "phone in the dark"])
async def themed_page(
    request: pytest.FixtureRequest, chromium: Browser, page_log: PageLog, site: Site
) -> AsyncIterator[tuple[str, Page]]:
    """The name of a theme and screen size, and a page with it. It is closed before `site` stops."""
    way: str = request.param
    phone = "phone" in way
    settings: dict[str, Any] = {"viewport": PHONE if phone else DESKTOP, "has_touch": phone, "is_mobile": phone}
    settings["color_scheme"] = "dark" if "dark" in way else "light"
    context = await chromium.new_context(**settings, base_url=site.service.console)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page_log.watch(context)
    yield way.replace(" ", "-"), await context.new_page()
    await context.close()


async def test_every_page_is_accessible(themed_page: tuple[str, Page], populated: Site, screenshot: Screenshot) -> None:
    """Every text has enough contrast, every control has a name, and no page is wider than the window."""
    way, page = themed_page
    await page.goto("/console/login")
    assert (await page.evaluate(LOW_CONTRAST), await page.evaluate(MISSING_NAMES)) == ([], [])
    await screenshot(page, f"{way}-login")
    await populated.log_in(page)
    await page.locator(".tile").first.wait_for()
    for name, path in PAGES.items():
        await page.goto(f"/console{path}")
        assert (name, await page.evaluate(LOW_CONTRAST), await page.evaluate(MISSING_NAMES)) == (name, [], [])
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        await screenshot(page, f"{way}-{name}")
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", ground)[0]) < 64) == ("dark" in way)


async def tab_to(page: Page, text: str, most: int = 60) -> list[str]:
    """Press Tab until an element with `text` has the focus. Returns all focused texts; each has an outline."""
    way = []
    for _ in range(most):
        await page.keyboard.press("Tab")
        way.append(await page.evaluate(FOCUSED))
        assert await page.evaluate(OUTLINE) == "solid3px", way[-1]
        if text in way[-1]:
            return way
    raise AssertionError(f"{text} was never reached: {way}")


async def test_by_keyboard_alone(page: Page, populated: Site) -> None:
    """Log in, switch tabs, acknowledge, withdraw and confirm, all by keyboard."""
    await page.goto("/")
    await page.keyboard.type("Ada")
    await page.keyboard.press("Tab")
    await page.keyboard.type(populated.password)
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Overview").wait_for()
    assert (await tab_to(page, "Skip to the content")) == ["Skip to the content"]
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await page.reload()

    await tab_to(page, "Notifications")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Notifications").wait_for()
    await tab_to(page, "Acknowledge notification 3")
    await page.keyboard.press("Enter")
    await expect(page.locator("#acknowledge-3")).to_have_text("acknowledged")
    await expect(page.locator("#acknowledge-3")).to_be_focused()
    assert (await tab_to(page, "Acknowledge notification 2"))[-1] == "Acknowledge notification 2"

    await page.goto("/console/registry")
    await tab_to(page, "Withdraw requirements/v1/create")
    await page.keyboard.press("Enter")
    await expect(page.locator("details.confirm[open]")).to_contain_text("are refused within seconds")
    await tab_to(page, "Withdraw requirements/v1/create")
    await page.keyboard.press("Enter")
    await expect(page.locator(".note.good")).to_be_focused()

    await page.goto("/console/access/applications/1")
    await tab_to(page, "Revoke all tokens")
    await page.keyboard.press("Enter")
    question = page.locator("details.confirm[open]")
    await expect(question).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(question).to_have_count(0)
    await expect(page.locator("summary", has_text="Revoke all tokens")).to_be_focused()
    await page.keyboard.press("Enter")
    await tab_to(page, "Revoke all tokens")
    await page.keyboard.press("Enter")
    await expect(page.locator(".note.good")).to_contain_text("Revoked 1 token of demo.")


async def test_the_keyboard_is_never_trapped(page: Page, populated: Site) -> None:
    """On each page, Tab reaches the end of the page."""
    await populated.log_in(page)
    for name, path in PAGES.items():
        await page.goto(f"/console{path}")
        reached = []
        for _ in range(80):
            await page.keyboard.press("Tab")
            reached.append(await page.evaluate("document.activeElement.tagName"))
            if len(reached) > 1 and reached[-1] == "BODY":
                break
        assert (name, reached[-1]) == (name, "BODY"), reached
