"""The way in: nothing without the password, and nothing beside it."""

import re

import pytest
from aiohttp import web

from service.admin import keys
from service.admin.logins import MAX_FAILURES
from tests.admin.console.conftest import NAME, PASSWORD, Browser, address, routes_of

OPEN = {("GET", "/login"), ("POST", "/login"), ("GET", "/static/console.css")}


async def test_every_page_wants_a_login(stranger: Browser, ops_app: web.Application) -> None:
    """Of all routes only the way in and the stylesheets answer a stranger; the others lead there."""
    led = {}
    for route in routes_of(ops_app):
        ask = stranger.get if route.method == "GET" else stranger.post
        answer = await ask(address(route))
        led[route.method, address(route)] = (answer.code, (answer.location or "").partition("?")[0])
    closed = {place: answer for place, answer in led.items() if place not in OPEN}
    assert len(closed) >= 20
    assert set(closed.values()) == {(303, "/console/login")}
    assert led.keys() - closed.keys() == OPEN


async def test_an_unknown_address_tells_a_stranger_nothing(stranger: Browser) -> None:
    """Whether an address exists is not told to those who are not logged in."""
    assert (await stranger.get("/nothing")).location == "/console/login"


async def test_the_listener_leads_to_its_console(stranger: Browser) -> None:
    """The bare address of the internal listener is a way to the console."""
    response = await stranger.client.get("/", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/console/")


async def test_the_password_opens(stranger: Browser) -> None:
    """With a name and the password the pages are there, under that name."""
    answer = await stranger.log_in()
    assert (answer.code, answer.location) == (303, "/console/")
    assert NAME in (await stranger.get("/")).words
    assert (await stranger.get("/login")).location == "/console/"


async def test_the_cookie_is_of_no_use_elsewhere(stranger: Browser) -> None:
    """Scripts cannot read the cookie, other sites' pages do not send it, and each login has another."""
    cookies = [(await stranger.log_in()).headers["Set-Cookie"] for _ in range(2)]
    shape = r"console_session=[\w-]{43}; HttpOnly; Path=/; SameSite=Strict"
    assert [re.fullmatch(shape, cookie) is not None for cookie in cookies] == [True, True]
    assert cookies[0] != cookies[1]


@pytest.mark.parametrize("cookie", ["", "x", "x" * 4000])
async def test_a_cookie_nobody_was_given_opens_nothing(browser: Browser, cookie: str) -> None:
    """Whatever is in the cookie, only the id of a login opens."""
    browser.client.session.cookie_jar.clear()
    answer = await browser.get("/audit", Cookie=f"console_session={cookie}")
    assert answer.location == "/console/login?next=/console/audit"


async def test_a_wrong_password_is_told(stranger: Browser) -> None:
    """A wrong password opens nothing; the name need not be typed again."""
    answer = await stranger.log_in(password="not it at all")
    assert (answer.code, "Set-Cookie" in answer.headers) == (403, False)
    assert "The password is wrong." in answer.words
    assert f'value="{NAME}"' in answer.text
    assert "not it at all" not in answer.text


async def test_guessing_is_throttled(stranger: Browser) -> None:
    """After too many wrong passwords even the right one has to wait, and the answer says how long."""
    codes = [(await stranger.log_in(f"name {number}", "wrong")).code for number in range(MAX_FAILURES)]
    answer = await stranger.log_in()
    assert codes == [403] * MAX_FAILURES
    assert answer.code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 300
    assert "Try again in 5 minutes" in answer.words


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", "x" * 301, "\u202egnp"])
async def test_a_name_is_one_line(stranger: Browser, name: str) -> None:
    """The audit names people: a name that cannot be read is refused, and no login opened."""
    answer = await stranger.log_in(name)
    assert (answer.code, "Set-Cookie" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/console/audit?before=5", "/console/audit?before=5"),
        ("https://example.com/", "/console/"),
        ("//example.com/", "/console/"),
        ("/console/\\example.com", "/console/"),
        ("/console/audit\r\nSet-Cookie: a=b", "/console/"),
        ("/metrics", "/console/"),
        ("", "/console/"),
    ],
)
async def test_a_login_leads_to_pages_of_ours_only(stranger: Browser, target: str, location: str) -> None:
    """After the login comes the page that was asked for; an address of anybody else's is not gone to."""
    fields = {"name": NAME, "password": PASSWORD, "next": target}
    assert (await stranger.post("/login", fields)).location == location


async def test_the_way_back_is_kept(stranger: Browser) -> None:
    """The page that was asked for stands in the form, and nothing else does."""
    answer = await stranger.get("/registry")
    assert answer.location == "/console/login?next=/console/registry"
    assert 'name="next" value="/console/registry"' in (await stranger.get("/login?next=/console/registry")).text
    assert 'name="next" value="/console/"' in (await stranger.get("/login?next=https://example.com")).text


async def test_logging_out_ends_the_login(browser: Browser) -> None:
    """Afterwards the cookie is taken back, and a copy of it opens nothing."""
    (cookie,) = browser.client.session.cookie_jar
    answer = await browser.post("/logout")
    assert answer.location == "/console/login"
    assert 'console_session=""' in answer.headers["Set-Cookie"]
    again = await browser.get("/audit", Cookie=f"console_session={cookie.value}")
    assert again.location == "/console/login?next=/console/audit"


async def test_polling_does_not_keep_a_login(browser: Browser, ops_app: web.Application) -> None:
    """A tab that is left open asks for ever: only what a person does counts as use."""
    (cookie,) = browser.client.session.cookie_jar
    login = ops_app[keys.LOGINS].find(cookie.value, used=False)
    assert login
    before = login.used
    await browser.get("/unread", HX_Request="true")
    assert login.used == before
    await browser.get("/audit")
    assert login.used > before
