"""Logging in to the console, and out."""

import re

import pytest
from aiohttp import web

from service.admin import keys
from service.admin.logins import MAX_FAILURES
from tests.admin.console.conftest import NAME, PASSWORD, Browser, address, routes_of

OPEN = {("GET", "/login"), ("POST", "/login"), ("GET", "/static/console.css")}


async def test_every_page_wants_a_login(anonymous: Browser, ops_app: web.Application) -> None:
    """Without a login, only the login form and static files are served. Other routes redirect to the form."""
    responses = {}
    for route in routes_of(ops_app):
        ask = anonymous.get if route.method == "GET" else anonymous.post
        answer = await ask(address(route))
        responses[route.method, address(route)] = (answer.code, (answer.location or "").partition("?")[0])
    closed = {place: answer for place, answer in responses.items() if place not in OPEN}
    assert len(closed) >= 20
    assert set(closed.values()) == {(303, "/console/login")}
    assert responses.keys() - closed.keys() == OPEN


async def test_an_unknown_path_needs_a_login_too(anonymous: Browser) -> None:
    """Without a login, an unknown path redirects to the form as well."""
    assert (await anonymous.get("/nothing")).location == "/console/login"


async def test_the_listener_redirects_to_its_console(anonymous: Browser) -> None:
    """`/` of the internal listener redirects to the console."""
    response = await anonymous.client.get("/", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/console/")


async def test_the_right_password(anonymous: Browser) -> None:
    """With a name and the password, the pages are shown with that name."""
    answer = await anonymous.log_in()
    assert (answer.code, answer.location) == (303, "/console/")
    assert NAME in (await anonymous.get("/")).words
    assert (await anonymous.get("/login")).location == "/console/"


async def test_the_attributes_of_the_cookie(anonymous: Browser) -> None:
    """The cookie is HttpOnly and SameSite=Strict, and each login has its own."""
    cookies = [(await anonymous.log_in()).headers["Set-Cookie"] for _ in range(2)]
    shape = r"console_session=[\w-]{43}; HttpOnly; Path=/; SameSite=Strict"
    assert [re.fullmatch(shape, cookie) is not None for cookie in cookies] == [True, True]
    assert cookies[0] != cookies[1]


@pytest.mark.parametrize("cookie", ["", "x", "x" * 4000])
async def test_an_unknown_cookie_is_no_login(browser: Browser, cookie: str) -> None:
    """An unknown cookie is no login."""
    browser.client.session.cookie_jar.clear()
    answer = await browser.get("/audit", Cookie=f"console_session={cookie}")
    assert answer.location == "/console/login?next=/console/audit"


async def test_a_wrong_password_is_refused(anonymous: Browser) -> None:
    """A wrong password sets no cookie, and the form keeps the name."""
    answer = await anonymous.log_in(password="not it at all")
    assert (answer.code, "Set-Cookie" in answer.headers) == (403, False)
    assert "The password is wrong." in answer.words
    assert f'value="{NAME}"' in answer.text
    assert "not it at all" not in answer.text


async def test_guessing_is_throttled(anonymous: Browser) -> None:
    """After too many wrong passwords, even the right one is refused with a Retry-After, but not with another name."""
    codes = [(await anonymous.log_in(password="wrong")).code for _ in range(MAX_FAILURES)]
    answer = await anonymous.log_in()
    assert codes == [403] * MAX_FAILURES
    assert answer.code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 300
    assert "Try again in 5 minutes" in answer.words
    assert (await anonymous.log_in("Somebody else")).code == 303


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", "x" * 301, "\u202egnp"])
async def test_a_name_is_one_line(anonymous: Browser, name: str) -> None:
    """The audit shows the name, so a name that is not one printable line is refused."""
    answer = await anonymous.log_in(name)
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
async def test_a_login_redirects_only_to_the_console(anonymous: Browser, target: str, location: str) -> None:
    """After the login comes the page requested first, but never another site."""
    fields = {"name": NAME, "password": PASSWORD, "next": target}
    assert (await anonymous.post("/login", fields)).location == location


async def test_the_requested_page_is_kept(anonymous: Browser) -> None:
    """The form keeps the page requested first, if it is one of the console."""
    answer = await anonymous.get("/registry")
    assert answer.location == "/console/login?next=/console/registry"
    assert 'name="next" value="/console/registry"' in (await anonymous.get("/login?next=/console/registry")).text
    assert 'name="next" value="/console/"' in (await anonymous.get("/login?next=https://example.com")).text


async def test_logging_out_ends_the_login(browser: Browser) -> None:
    """Logging out deletes the cookie, and a copy of it is no login."""
    (cookie,) = browser.client.session.cookie_jar
    answer = await browser.post("/logout")
    assert answer.location == "/console/login"
    assert 'console_session=""' in answer.headers["Set-Cookie"]
    again = await browser.get("/audit", Cookie=f"console_session={cookie.value}")
    assert again.location == "/console/login?next=/console/audit"


async def test_polling_does_not_extend_a_login(browser: Browser, ops_app: web.Application) -> None:
    """Requests by an open page do not extend the login."""
    (cookie,) = browser.client.session.cookie_jar
    login = ops_app[keys.LOGINS].find(cookie.value, used=False)
    assert login
    before = login.used
    await browser.get("/unread", HX_Request="true")
    assert login.used == before
    await browser.get("/audit")
    assert login.used > before
