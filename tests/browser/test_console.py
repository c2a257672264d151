"""The console in a real browser."""

import re
from typing import Literal

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PageLog, Screenshot, Site
from tests.factories import CREATE

BADGE = ".unread .badge"

# The time of the oldest point in the charts.
OLDEST = """
async () => {
  const { times } = await (await fetch("/console/overview.json")).json();
  return new Date(times[0] * 1000).toISOString().slice(11, 19);
}
"""

# The messages of htmx and Chromium about a request that cannot be sent.
OFFLINE = re.compile(r"htmx:(sendError|afterRequest)|Failed to load resource: net::ERR_INTERNET_DISCONNECTED")


async def create(site: Site, token: str) -> str:
    """Send a create with `token` and return its status."""
    return await site.service.create(token)


async def test_log_in_and_out(page: Page, site: Site, page_log: PageLog, screenshot: Screenshot) -> None:
    """A wrong password shows an error, the right one the page requested first. Logging out ends the access."""
    await page.goto("/console/registry")
    await page.get_by_label("Your name").fill("Grace Hopper")
    await page.get_by_label("Password").fill("not the password")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert").filter(has_text="The password is wrong.")).to_be_visible()
    await screenshot(page, "login-refused")
    page_log.messages.clear()  # Chromium logs every error response

    await page.goto("/console/registry")
    await page.get_by_label("Your name").fill("Grace Hopper")
    await page.get_by_label("Password").fill(site.password)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", name="Registry")).to_be_visible()
    await expect(page.locator(".who")).to_contain_text("Grace Hopper")

    await page.get_by_role("button", name="Log out").click()
    await page.goto("/console/audit")
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()


async def test_a_notification_appears_and_is_acknowledged(page: Page, site: Site, screenshot: Screenshot) -> None:
    """A new notification appears without a reload. Acknowledging it keeps the focus and updates the count."""
    await site.log_in(page)
    await page.get_by_role("link", name="Notifications").click()
    await expect(page.get_by_text("No notifications yet.")).to_be_visible()
    for number in (1, 2):
        await site.database.execute(
            "INSERT INTO notifications (kind, message, request_id, details) "
            "VALUES ('mandrill-email-failed', $1, $2, $3)",
            f"Mandrill did not accept the e-mail of requirement {number}.",
            f"request-{number}",
            '{"requirement_id": 1, "cause": "503 Service Unavailable"}',
        )
        await expect(page.locator("tr.new")).to_have_count(number)
        await expect(page.locator(BADGE)).to_have_text(f"{number} unread")
    await screenshot(page, "notifications")

    first = page.locator("#acknowledge-2")
    await first.click()
    await expect(first).to_have_text("acknowledged")
    await expect(first).to_be_focused()
    await expect(page.locator("tr.new")).to_have_count(1)
    await expect(page.locator(BADGE)).to_have_text("1 unread")

    await page.get_by_role("link", name="Mandrill did not accept the e-mail of requirement 1.").click()
    for text in ("request-1", "503 Service Unavailable"):
        await expect(page.get_by_text(text)).to_be_visible()
    await screenshot(page, "notification")
    await page.get_by_role("button", name="Acknowledge").click()
    await expect(page.locator(".note.good")).to_contain_text("Acknowledged notification 1.")
    await expect(page.locator(BADGE)).to_have_text("0 unread")


async def test_all_are_acknowledged_at_once(page: Page, site: Site) -> None:
    """The button "Acknowledge all" acknowledges the filtered list only."""
    for kind in ("a", "a", "b"):
        await site.database.execute("INSERT INTO notifications (kind, message) VALUES ($1, 'Something.')", kind)
    await site.log_in(page)
    await expect(page.locator(BADGE)).to_have_text("3 unread")
    await page.goto("/console/notifications")
    await page.get_by_label("Kind").select_option("a")
    await page.get_by_label("only unread").check()
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("tr.new")).to_have_count(2)
    await page.get_by_role("button", name="Acknowledge all").click()
    await expect(page.locator(".note.good")).to_have_text("Acknowledged 2 notifications.")
    await expect(page.locator(BADGE)).to_have_text("1 unread")


async def test_deploy_and_withdraw(page: Page, site: Site, screenshot: Screenshot) -> None:
    """A withdrawn route refuses requests, a deployed one accepts them, and the audit shows both changes."""
    token = site.service.demo.application_token
    await site.log_in(page)
    await page.get_by_role("link", name="Registry").click()
    await page.locator("summary", has_text=re.compile(r"Withdraw requirements/v1/create\b(?!_)")).click()
    await screenshot(page, "registry-confirm")
    assert await create(site, token) == "action-successful"
    await page.get_by_role("button", name="Withdraw requirements/v1/create", exact=True).click()
    await expect(page.locator(".note.good")).to_have_text("Withdrew requirements/v1/create.")
    await expect(page.locator(".note.good")).to_be_focused()
    await screenshot(page, "registry-withdrawn")
    await wait_for_status(page, site, token, "route-not-found")

    await page.get_by_role("button", name="Deploy requirements/v1/create").click()
    await expect(page.locator(".note.good")).to_have_text("Deployed requirements/v1/create.")
    await wait_for_status(page, site, token, "action-successful")

    await page.get_by_label("Route or service").fill("orders/v2/list")
    await page.get_by_label("Sensitive params").select_option("yes")
    await page.get_by_role("button", name="Deploy", exact=True).click()
    await expect(page.locator("section", has_text="orders").get_by_text("sensitive: base64 only")).to_be_visible()
    await screenshot(page, "registry")

    await page.get_by_role("link", name="Audit").click()
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(2)).to_contain_text(re.compile(r"Ada Lovelace\s*withdraw"))
    await screenshot(page, "audit")


async def wait_for_status(page: Page, site: Site, token: str, status: str) -> None:
    """Wait until a create is answered with `status`."""
    for _ in range(100):
        if await create(site, token) == status:
            return
        await page.wait_for_timeout(50)
    raise AssertionError(f"no create was answered {status}")


async def test_issue_and_revoke_a_token(page: Page, site: Site, screenshot: Screenshot) -> None:
    """A new token is shown once and works. A revoked token, or one of a deactivated application, does not."""
    await site.log_in(page)
    await page.get_by_role("link", name="Applications & sessions").click()
    await page.get_by_label("New application: slug").fill("shop")
    await page.get_by_role("button", name="Create").click()
    await page.get_by_role("button", name="Issue a token").click()
    token = await page.get_by_label("The token.").input_value()
    await screenshot(page, "token")
    assert await create(site, token) == "action-successful"
    await page.reload()
    await expect(page.get_by_label("The token.")).to_have_count(0)
    assert token not in await page.content()

    await page.locator("summary", has_text="Revoke token").click()
    await screenshot(page, "revoke")
    await page.get_by_role("button", name="Revoke token").click()
    await expect(page.locator(".note.good")).to_have_text("Revoked 1 token of shop.")
    assert await create(site, token) == "invalid-token"

    await page.locator("summary", has_text="Rotate tokens").click()
    await page.get_by_role("button", name="Rotate tokens").click()
    rotated = await page.get_by_label("The token.").input_value()
    assert await create(site, rotated) == "action-successful"
    await page.locator("summary", has_text="Deactivate").click()
    await page.get_by_role("button", name="Deactivate").click()
    await expect(page.locator(".head .state")).to_have_text("inactive")
    assert await create(site, rotated) == "invalid-token"


async def test_open_and_revoke_a_session(page: Page, site: Site, screenshot: Screenshot) -> None:
    """The token of an opened session works until the session is revoked."""
    await site.log_in(page)
    await page.goto("/console/access")
    await page.get_by_label("Open a session: e-mail address").fill("demo@example.com")
    await page.get_by_role("button", name="Open", exact=True).click()
    token = await page.get_by_label("The token.").input_value()
    assert await create(site, token) == "action-successful"
    await screenshot(page, "access")
    await page.locator("tbody tr", has_text="demo@example.com").locator("summary").first.click()
    await page.get_by_role("button", name=re.compile("^Revoke session")).first.click()
    await expect(page.locator(".note.good")).to_contain_text("Revoked session")
    assert await create(site, token) == "invalid-token"


async def test_search_requirements(page: Page, site: Site, screenshot: Screenshot) -> None:
    """Requirements can be found by either reference and by key, and paged."""
    await site.database.execute(
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key, value) "
        "SELECT 'Service', 1 + n % 2, 'Application', n, CASE WHEN n % 60 = 7 THEN 'tier' END, repeat('gold ', n) "
        "FROM generate_series(1, 120) n"
    )
    await site.log_in(page)
    await page.get_by_role("link", name="Requirements", exact=True).click()
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(50)
    await screenshot(page, "requirements")

    search = page.get_by_role("form", name="Filter", exact=True)
    await search.get_by_label("Required type").select_option("Service")
    await search.get_by_label("Required id").fill("2")
    await search.get_by_role("button").click()
    await expect(rows.first).to_contain_text("Service 2")
    await page.get_by_role("link", name="Next page").click()
    await expect(rows).to_have_count(10)

    await search.get_by_label("Key", exact=True).fill("tier")
    await search.get_by_role("button").click()
    await expect(rows).to_have_count(2)
    await page.get_by_role("link", name="Application 67").click()
    await expect(rows).to_have_count(1)
    await expect(search.get_by_label("Required id")).to_have_value("2")
    await expect(search.get_by_label("Requireable id")).to_have_value("67")
    assert await rows.locator(".wide .clamp").evaluate("(cell) => cell.clientHeight < 60")
    await rows.locator("td[data-label=Id] a").click()
    await expect(page.locator("dd", has_text="gold")).to_have_text("gold " * 67, use_inner_text=True)


async def test_find_edit_and_destroy_a_requirement(
    page: Page, site: Site, page_log: PageLog, screenshot: Screenshot
) -> None:
    """A record is found, edited and destroyed, each after a confirmation, unless it was changed meanwhile."""
    number = await site.database.fetchval(
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key, value) "
        "SELECT 'Service', n, 'Application', 1, 'tier', E'gold\\n\\n' || n FROM generate_series(1, 20) n "
        "RETURNING id + 16"
    )
    await site.log_in(page)
    await page.get_by_role("link", name="Requirements", exact=True).click()
    await page.locator("summary", has_text="More filters").click()
    search = page.get_by_role("form", name="Filter", exact=True)
    await search.get_by_label("Requireable type").select_option("Application")
    await search.get_by_label("Text").fill("17")
    await search.get_by_role("button", name="Find").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await screenshot(page, "requirements-found")
    await page.get_by_role("link", name=str(number), exact=True).click()
    await expect(page.get_by_role("heading", name="Application 1 also requires")).to_be_visible()

    await page.locator("summary", has_text=f"Edit requirement {number}").click()
    await screenshot(page, "requirement-edit")
    await page.get_by_label("Key", exact=True).fill("level")
    await page.get_by_role("button", name=f"Save requirement {number}").click()
    await expect(page.locator(".note.good")).to_have_text(f"Changed the key of requirement {number}.")
    rows = await site.database.fetch("SELECT key, value FROM requirements WHERE id = $1", number)
    assert [tuple(row) for row in rows] == [("level", "gold\n\n17")]
    changes = page.get_by_role("table", name=f"Changes of requirement {number}").locator("tbody tr")
    await expect(changes.first).to_contain_text(re.compile(r"updated\s*an operator: see the audit\s*tier\s*level"))
    await screenshot(page, "requirement-edited")

    await site.database.execute("UPDATE requirements SET value = 'silver' WHERE id = $1", number)
    await page.locator("summary", has_text=f"Destroy requirement {number}").click()
    await page.get_by_role("button", name=f"Destroy requirement {number}").click()
    await expect(page.get_by_text("was changed by somebody else after its page was shown")).to_be_visible()
    page_log.messages.clear()  # Chromium logs every error response

    await page.goto(f"/console/requirements/{number}")
    await page.locator("summary", has_text=f"Destroy requirement {number}").click()
    await page.get_by_role("button", name=f"Destroy requirement {number}").click()
    await expect(page.locator(".note.good")).to_have_text(f"Destroyed requirement {number}.")
    assert await site.database.fetchval("SELECT count(*) FROM requirements WHERE id = $1", number) == 0
    await page.get_by_role("link", name="Audit").click()
    audited = page.locator("tbody tr")
    await expect(audited).to_have_count(2)
    await expect(audited.first).to_contain_text(re.compile(r"Ada Lovelace\s*destroy requirement"))


async def test_times_are_relative_and_absolute(page: Page, site: Site) -> None:
    """A time is shown relative to now and kept up to date; pointing at it, or a click, shows the time in UTC."""
    await site.database.execute(
        "INSERT INTO audit (actor, action, created_at) VALUES ('Ada', 'change', now() - interval '59 seconds')"
    )
    await site.log_in(page)
    await page.goto("/console/audit")
    time = page.locator("td time")
    title = await time.get_attribute("title") or ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", title)
    await expect(time).to_have_text("1 min ago")
    await time.click()
    await expect(time).to_have_text(title)
    await time.click()
    await expect(time).to_have_text("1 min ago")


async def test_a_tile_leads_to_its_page(page: Page, site: Site, screenshot: Screenshot) -> None:
    """The tile of the e-mails that were given up leads to them, and one can be retried there."""
    await site.service.create()
    await site.database.execute(
        "INSERT INTO emails (requirement_id, state, attempts, last_error) "
        "VALUES (1, 'dead', 12, 'rejected'), (1, 'sent', 1, NULL)"
    )
    await site.log_in(page)
    await page.locator(".tile.alarm", has_text="E-mails given up").click()
    await expect(page.get_by_role("heading", name="E-mails")).to_be_visible()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await screenshot(page, "emails")
    await page.get_by_role("button", name="Retry e-mail 1").click()
    await expect(page.locator(".note.good")).to_have_text("E-mail 1 will be sent by the running service.")
    await page.get_by_role("link", name="Audit").click()
    await expect(page.locator("tbody tr")).to_contain_text(re.compile(r"Ada Lovelace\s*retry e-mails"))


async def test_the_time_range_limits_the_charts(page: Page, site: Site) -> None:
    """The page of a time range draws its points only, and live updates keep the range."""
    await site.log_in(page)
    await expect(page.locator("#workers canvas")).to_be_visible()
    await page.get_by_role("link", name="5 min", exact=True).click()
    await expect(page.get_by_role("link", name="5 min", exact=True)).to_have_attribute("aria-current", "true")
    await expect(page.locator("#totals")).to_contain_text("in the last 5 min")
    await expect(page.locator("#workers canvas")).to_be_visible()
    assert await page.locator("#charts").get_attribute("data-source") == "/console/overview.json?minutes=5"


@pytest.mark.parametrize("width", [390, 800])
async def test_the_tabs_stay_on_one_line(page: Page, site: Site, width: int) -> None:
    """In a narrow window the tabs scroll sideways, with the current one in view, and do not wrap."""
    await page.set_viewport_size({"width": width, "height": 844})
    await site.log_in(page)
    await page.goto("/console/audit")
    tabs = await page.locator(".bar nav li a").evaluate_all(
        "(tabs) => tabs.map((tab) => tab.getBoundingClientRect().top)"
    )
    assert len(set(tabs)) == 1
    assert len(tabs) == 7
    await expect(page.locator(".bar [aria-current]")).to_be_in_viewport(ratio=1)


async def test_a_list_is_short_on_a_phone(page: Page, site: Site) -> None:
    """On a phone, a page of fifty requirements with long keys and values takes at most a third of what a card took."""
    await site.database.execute(
        "INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id, key, value) "
        "SELECT 'Service', 1, 'Application', n, repeat('key', 80), repeat('gold ', 500) FROM generate_series(1, 60) n"
    )
    await page.set_viewport_size({"width": 390, "height": 844})
    await site.log_in(page)
    await page.goto("/console/requirements")
    assert await page.evaluate("document.documentElement.scrollHeight") < 50 * 200
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_overview_is_live(page: Page, site: Site, screenshot: Screenshot) -> None:
    """New requests appear in the charts without a reload, and pausing stops the updates."""
    await site.log_in(page)
    legend = page.locator("#requests .u-legend")
    await site.service.create()
    await expect(legend).to_contain_text("action-successful")
    await expect(legend).not_to_contain_text("invalid-token")
    await site.service.create("no token of anyone")
    await expect(legend).to_contain_text("invalid-token")
    await expect(page.locator("#requests .u-series .u-label")).to_have_text(
        ["UTC", "action-successful", "invalid-token"]
    )
    for chart in ("requests", "latency", "pool", "emails", "workers"):
        await expect(page.locator(f"#{chart} canvas")).to_be_visible()
    await expect(page.locator(".tile", has_text="Workers").locator("strong")).to_have_text("2")
    await screenshot(page, "overview")

    await page.get_by_role("link", name="Pause updates").click()
    await expect(page.get_by_role("link", name="Resume updates")).to_be_visible()
    await expect(page.locator("#panels")).not_to_have_attribute("hx-get", re.compile("."))
    await expect(page.locator("#charts")).not_to_have_attribute("data-seconds", re.compile("."))
    await expect(page.locator("#requests canvas")).to_be_visible()


async def test_charts_show_values_at_the_pointer(page: Page, site: Site, screenshot: Screenshot) -> None:
    """The legend has the latest values; over a chart it has those of the time at the pointer, in every chart."""
    await site.log_in(page)
    workers = page.locator("#workers .u-series", has_text="workers")
    await expect(workers).to_contain_text("2")
    times = [page.locator(f"#{chart} .u-series", has_text="UTC").locator(".u-value") for chart in ("workers", "pool")]
    oldest = await page.evaluate(OLDEST)
    for time in times:
        await expect(time).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
        await expect(time).not_to_have_text(oldest)

    await page.locator("#workers .u-over").hover(position={"x": 1, "y": 50})
    for time in times:
        await expect(time).to_have_text(oldest)
    await screenshot(page, "overview-hover")
    await page.mouse.move(0, 0)
    for time in times:
        await expect(time).not_to_have_text(oldest)


async def test_the_overview_shows_one_action(page: Page, site: Site) -> None:
    """The choice of an action limits requests to its route, and updates keep the choice."""
    await site.log_in(page)
    await site.service.create()
    async with site.service.http.get(f"{site.api}/nothing") as response:
        assert response.status == 500
    labels = page.locator("#requests .u-series .u-label")
    await expect(labels).to_have_text(["UTC", "action-successful", "route-non-existent"])
    await page.reload()
    await page.get_by_label("Action").select_option(CREATE)
    await page.get_by_role("button", name="Show").click()
    await expect(labels).to_have_text(["UTC", "action-successful"])
    await site.service.create("no token of anyone")
    await expect(labels).to_have_text(["UTC", "action-successful", "invalid-token"])


async def test_a_chart_follows_the_theme(page: Page, site: Site) -> None:
    """When the system changes between light and dark, the charts are drawn in the colours of the other theme."""
    await site.log_in(page)
    await site.service.create()
    marker = page.locator("#requests .u-series", has_text="action-successful").locator(".u-marker")
    colours = []
    schemes: list[Literal["light", "dark"]] = ["light", "dark"]
    for scheme in schemes:
        await page.emulate_media(color_scheme=scheme)
        await expect(marker).to_be_attached()
        colours.append(await marker.evaluate("(marker) => getComputedStyle(marker).borderTopColor"))
    assert colours[0] != colours[1]


async def test_an_unreachable_console_is_shown(
    page: Page, site: Site, page_log: PageLog, screenshot: Screenshot
) -> None:
    """While the console is unreachable, the page says that it is not updated."""
    await site.log_in(page)
    await page.goto("/console/notifications")
    await page.context.set_offline(True)
    await expect(page.locator("#offline")).to_be_visible()
    await screenshot(page, "offline")
    await page.context.set_offline(False)
    await expect(page.locator("#offline")).to_be_hidden()
    assert [text for text in page_log.messages if not OFFLINE.match(text)] == []
    page_log.messages.clear()


async def test_the_listeners_are_separate(site: Site) -> None:
    """The internal listener does not serve the API, and the public listener does not serve the console."""
    async with site.service.http.post(f"{site.service.console}{CREATE}", json={}) as response:
        assert response.status == 404
    async with site.service.http.get(f"{site.api}/console/") as response:
        assert (await response.json())["status"] == "route-non-existent"
