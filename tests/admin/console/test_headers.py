"""What every answer carries, whatever it is the answer to."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

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


def kept(headers: object) -> tuple[str, ...]:
    """The headers that are the same on every answer."""
    names = ("Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy")
    return tuple(headers.get(name, "") for name in names)  # type: ignore[attr-defined]  # any mapping


EXPECTED = (POLICY, "nosniff", "DENY", "same-origin")


@pytest.mark.parametrize("logged_in", [True, False])
async def test_every_answer_is_guarded(stranger: Browser, ops_app: web.Application, *, logged_in: bool) -> None:
    """Each route's answer lets nothing but our own origin be loaded, and is not kept by the browser."""
    if logged_in:
        await stranger.log_in()
    for route in routes_of(ops_app):
        if address(route) == "/logout":
            continue
        answer = await (stranger.get if route.method == "GET" else stranger.post)(address(route))
        assert kept(answer.headers) == EXPECTED, address(route)
        cached = "no-cache" if "static" in address(route) else "no-store"
        assert answer.headers["Cache-Control"] == cached, address(route)
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"]), address(route)


@pytest.mark.parametrize("path", ["/", "/metrics", "/nothing", "/console", "/console/nothing", "/console/static/x.css"])
async def test_answers_beside_the_console_are_guarded(browser: Browser, path: str) -> None:
    """Also what is no page of the console carries the headers."""
    response = await browser.client.get(path, allow_redirects=False)
    assert kept(response.headers) == EXPECTED


@pytest.mark.parametrize("path", ["/nothing", "/static/VENDORED.md", "/static/..%2f__init__.py", "/notifications/99"])
async def test_what_is_not_there_is_told(browser: Browser, path: str) -> None:
    """An unknown address or record is a page that says so, with the id of the request."""
    answer = await browser.get(path)
    assert answer.code == 404
    assert "The page or record does not exist." in answer.words
    assert answer.headers["X-Request-ID"] in answer.words


async def test_pages_hold_nothing_inline(browser: Browser, ops_app: web.Application, records: Records) -> None:
    """The policy forbids scripts, styles and handlers in pages: there are none to forbid, nor outside addresses."""
    await notify(records.connection)
    await records.session()
    for route in routes_of(ops_app):
        if route.method == "GET" and "static" not in address(route):
            text = (await browser.get(address(route))).text
            assert not INLINE.search(text), address(route)
            assert not re.search(r"(?:src|href|action)=\"(?!/console/|#|data:)", text), address(route)


def test_no_template_trusts_its_values() -> None:
    """No template switches escaping off."""
    texts = {path.name: path.read_text("utf-8") for path in TEMPLATES.glob("*.html")}
    assert [name for name, text in texts.items() if re.search(r"\|\s*safe\b|autoescape", text)] == []


async def test_an_unforeseen_failure_tells_no_cause(
    console_config: Config, tmp_path: Path, aiohttp_client: AppClient
) -> None:
    """What nobody foresaw is a plain sentence with the id of the request: no traceback, no class, no path."""
    app = create_ops_app(console_config, tmp_path)

    async def misbehave(_request: web.Request) -> web.Response:
        raise ZeroDivisionError("a secret cause")

    app.router.add_get("/misbehave", misbehave)
    response = await (await aiohttp_client(app)).get("/misbehave")
    text = await response.text()
    assert (response.status, kept(response.headers)) == (500, EXPECTED)
    assert response.headers["X-Request-ID"] in text
    assert not re.search(r"secret|Traceback|ZeroDivision|\.py", text)


async def test_hosts_of_the_settings_are_known(
    console_config: Config, tmp_path: Path, aiohttp_client: AppClient
) -> None:
    """A name in console.allowed_hosts, and the address that is listened on, are let in."""
    console = replace(console_config.console, host="10.0.0.5", allowed_hosts=("Ops.Example.com",))
    client = await aiohttp_client(create_ops_app(replace(console_config, console=console), tmp_path))
    hosts = ("ops.example.com:8081", "10.0.0.5", "10.0.0.6")
    answers = [await client.get("/console/login", headers={"Host": host}) for host in hosts]
    assert [answer.status for answer in answers] == [200, 200, 421]
