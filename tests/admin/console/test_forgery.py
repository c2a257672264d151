"""Protection against forged requests: CSRF token, origin and host."""

import re

import asyncpg
import pytest
from aiohttp import web

from tests.admin.console.conftest import Browser, address, routes_of

CHANGE = "/registry/deploy"
FIELDS = {"name": "orders/v1/list"}


async def untouched(connection: asyncpg.Connection) -> bool:
    """Whether there is neither a service nor an audit row."""
    return (await connection.fetchval("SELECT count(*) FROM services"), await audit_count(connection)) == (0, 0)


async def audit_count(connection: asyncpg.Connection) -> int:
    """The number of audit rows."""
    count: int = await connection.fetchval("SELECT count(*) FROM audit")
    return count


@pytest.mark.parametrize("token", ["", "x", "\u00e9\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")])
async def test_a_form_without_the_token_is_refused(
    browser: Browser, connection: asyncpg.Connection, token: str
) -> None:
    """A form without the CSRF token of the login is refused."""
    answer = await browser.post(CHANGE, FIELDS | {"csrf": token})
    assert (answer.code, await untouched(connection)) == (403, True)


async def test_the_token_of_another_login_is_refused(browser: Browser, connection: asyncpg.Connection) -> None:
    """The CSRF token of an earlier login is refused."""
    earlier = browser.csrf
    await browser.log_in()
    answer = await browser.post(CHANGE, FIELDS | {"csrf": earlier})
    assert (answer.code, await untouched(connection)) == (403, True)
    assert (await browser.post(CHANGE, FIELDS)).code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://example.com"},
        {"Origin": "null"},
        {"Origin": "http://localhost"},
        {"Origin": "file://{host}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": ""},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", [CHANGE, "/login", "/logout"])
async def test_a_form_of_another_origin_is_refused(
    browser: Browser, connection: asyncpg.Connection, headers: dict[str, str], path: str
) -> None:
    """A form from another origin is refused, even with a valid CSRF token or password."""
    host = browser.origin.removeprefix("http://")
    answer = await browser.post(path, FIELDS, **{name: value.format(host=host) for name, value in headers.items()})
    assert (answer.code, await untouched(connection)) == (403, True)
    assert (await browser.get("/audit")).code == 200


async def test_a_form_without_an_origin_is_refused(browser: Browser, connection: asyncpg.Connection) -> None:
    """A form without `Origin` and `Sec-Fetch-Site` is refused."""
    sent = FIELDS | {"csrf": browser.csrf}
    response = await browser.client.post(f"/console{CHANGE}", data=sent, allow_redirects=False)
    assert (response.status, await untouched(connection)) == (403, True)


async def test_sec_fetch_site_alone_is_enough(browser: Browser) -> None:
    """`Sec-Fetch-Site: same-origin` without `Origin` is accepted."""
    response = await browser.client.post(
        f"/console{CHANGE}",
        data=FIELDS | {"csrf": browser.csrf},
        headers={"Sec-Fetch-Site": "same-origin"},
        allow_redirects=False,
    )
    assert response.status == 303


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "text/plain", "application/json"])
async def test_only_urlencoded_forms_are_accepted(browser: Browser, content_type: str) -> None:
    """Any body but an urlencoded form is refused."""
    response = await browser.client.post(
        f"/console{CHANGE}", data=b"csrf=x", headers={"Origin": browser.origin, "Content-Type": content_type}
    )
    assert response.status == 400


@pytest.mark.parametrize(
    "host", ["example.com", "127.0.0.1.example.com", "localhost.", "", "127.0.0.1@example.com", "["]
)
async def test_a_foreign_host_is_refused(browser: Browser, host: str) -> None:
    """A request with an unknown Host header is refused on the whole listener: pages, login form, metrics."""
    for path in ("/", "/console/", "/console/login", "/console/static/console.css", "/metrics", "/nothing"):
        response = await browser.client.get(path, headers={"Host": host}, allow_redirects=False)
        assert response.status in {400, 421}, path  # aiohttp refuses invalid host names itself
        assert not re.search("Ada|requirements_", await response.text())


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8081", "127.0.0.1:1", "[::1]:8081"])
async def test_local_host_names_are_accepted(browser: Browser, host: str) -> None:
    """Local host names are accepted with any port, for the metrics as well."""
    assert (await browser.get("/login", Host=host)).code in {200, 303}
    assert (await browser.client.get("/metrics", headers={"Host": host})).status == 200


async def test_no_change_by_get(browser: Browser, ops_app: web.Application, connection: asyncpg.Connection) -> None:
    """No GET changes anything, and the paths that change something refuse GET."""
    routes = routes_of(ops_app)
    for route in routes:
        if route.method == "GET":
            await browser.get(address(route))
    changing = {address(route) for route in routes if route.method == "POST"} - {"/login", "/access/applications"}
    codes = {path: (await browser.get(path)).code for path in changing}
    assert {code for path, code in codes.items()} == {405}
    assert {route.method for route in routes} == {"GET", "POST"}
    assert await untouched(connection)
