"""The headers of every response of the internal listener."""

import re
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.admin.app import create_ops_app
from service.config import Config
from tests.admin.console.conftest import Browser, address, notify, routes_of
from tests.conftest import AppClient
from tests.factories import Records

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|hx-vals|\bjs:", re.IGNORECASE
)
TEMPLATES = Path(__file__).parents[3] / "service" / "admin" / "console" / "templates"


def security_headers(headers: object) -> tuple[str, ...]:
    """The values of the headers that every response has."""
    names = ("Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy")
    return tuple(headers.get(name, "") for name in names)  # type: ignore[attr-defined]  # any mapping


EXPECTED = (POLICY, "nosniff", "DENY", "same-origin")


@pytest.mark.parametrize("logged_in", [True, False])
async def test_every_route_sends_the_security_headers(
    anonymous: Browser, ops_app: web.Application, *, logged_in: bool
) -> None:
    """Every route sends the security headers and forbids caching."""
    if logged_in:
        await anonymous.log_in()
    for route in routes_of(ops_app):
        if address(route) == "/logout":
            continue
        answer = await (anonymous.get if route.method == "GET" else anonymous.post)(address(route))
        assert security_headers(answer.headers) == EXPECTED, address(route)
        cached = "no-cache" if "static" in address(route) else "no-store"
        assert answer.headers["Cache-Control"] == cached, address(route)
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"]), address(route)


@pytest.mark.parametrize("path", ["/", "/metrics", "/nothing", "/console", "/console/nothing", "/console/static/x.css"])
async def test_responses_outside_the_console_have_the_headers(browser: Browser, path: str) -> None:
    """Responses outside the console have the security headers too."""
    response = await browser.client.get(path, allow_redirects=False)
    assert security_headers(response.headers) == EXPECTED


@pytest.mark.parametrize("path", ["/nothing", "/static/VENDORED.md", "/static/..%2f__init__.py", "/notifications/99"])
async def test_an_unknown_path_is_a_404_page(browser: Browser, path: str) -> None:
    """An unknown path or record is a 404 page with the request id."""
    answer = await browser.get(path)
    assert answer.code == 404
    assert "The page or record does not exist." in answer.words
    assert answer.headers["X-Request-ID"] in answer.words


async def test_pages_hold_nothing_inline(browser: Browser, ops_app: web.Application, records: Records) -> None:
    """Pages contain no inline scripts, styles or handlers, and no links to other hosts."""
    await notify(records.connection)
    await records.session()
    for route in routes_of(ops_app):
        if route.method == "GET" and "static" not in address(route):
            text = (await browser.get(address(route))).text
            assert not INLINE.search(text), address(route)
            assert not re.search(r"(?:src|href|action)=\"(?!/console/|#|data:)", text), address(route)


def test_no_template_disables_escaping() -> None:
    """No template disables escaping."""
    texts = {path.name: path.read_text("utf-8") for path in TEMPLATES.glob("*.html")}
    assert [name for name, text in texts.items() if re.search(r"\|\s*safe\b|autoescape", text)] == []


async def test_an_unforeseen_failure_tells_no_cause(
    console_config: Config, tmp_path: Path, aiohttp_client: AppClient
) -> None:
    """An unexpected error shows a message with the request id: no traceback, class or path."""
    app = create_ops_app(console_config, tmp_path)

    async def failing_handler(_request: web.Request) -> web.Response:
        raise ZeroDivisionError("a secret cause")

    app.router.add_get("/misbehave", failing_handler)
    response = await (await aiohttp_client(app)).get("/misbehave")
    text = await response.text()
    assert (response.status, security_headers(response.headers)) == (500, EXPECTED)
    assert response.headers["X-Request-ID"] in text
    assert not re.search(r"secret|Traceback|ZeroDivision|\.py", text)


async def test_configured_hosts_are_accepted(console_config: Config, tmp_path: Path, aiohttp_client: AppClient) -> None:
    """The names in console.allowed_hosts and the listen address are accepted, for pages and for Prometheus."""
    console = replace(console_config.console, host="10.0.0.5", allowed_hosts=("Ops.Example.com",))
    client = await aiohttp_client(create_ops_app(replace(console_config, console=console), tmp_path))
    hosts = ("ops.example.com:8081", "10.0.0.5", "10.0.0.6")
    for path in ("/console/login", "/metrics"):
        answers = [await client.get(path, headers={"Host": host}) for host in hosts]
        assert [answer.status for answer in answers] == [200, 200, 421]


async def test_the_address_of_the_connection_is_accepted(ops_app: web.Application) -> None:
    """A Host header with the address that the connection was made to is accepted, another address is not."""
    async with TestServer(ops_app, host="127.0.0.7") as server, aiohttp.ClientSession() as http:
        for host, code in {"127.0.0.7": 200, f"127.0.0.7:{server.port}": 200, "127.0.0.8": 421}.items():
            async with http.get(server.make_url("/metrics"), headers={"Host": host}) as response:
                assert response.status == code, host
