"""The page that shows the API: all of it from here, nothing from anywhere else."""

import hashlib
import re
from pathlib import Path

import pytest

import service
from service.api.handlers.docs import SWAGGER_UI
from tests.conftest import Client

STATIC = Path(service.__file__).parent / "api" / "static"  # inside the package, so that a wheel carries it
VENDORED = STATIC / "swagger-ui"
PAGE = (STATIC / "docs" / "index.html").read_text("utf-8")
NOTE = (VENDORED / "VENDORED.md").read_text("utf-8")
SUMS = dict(re.findall(r"\| `([0-9a-f]{64})` \| `(.+)` \|", NOTE))

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ASSETS = [
    ("/docs/page.css", "text/css; charset=utf-8", "no-cache"),
    ("/docs/initializer.js", "text/javascript; charset=utf-8", "no-cache"),
    (
        f"/docs/swagger-ui-{SWAGGER_UI}/swagger-ui.css",
        "text/css; charset=utf-8",
        "public, max-age=31536000, immutable",
    ),
    (
        f"/docs/swagger-ui-{SWAGGER_UI}/swagger-ui-bundle.js",
        "text/javascript; charset=utf-8",
        "public, max-age=31536000, immutable",
    ),
]
ADDRESSES = [path for path, _, _ in ASSETS]


def test_vendored_files_are_unchanged() -> None:
    """Each vendored file is the one that VENDORED.md names, and none is there unnamed."""
    files = {path.name: path for path in VENDORED.iterdir() if path.name != "VENDORED.md"}
    assert {hashlib.sha256(path.read_bytes()).hexdigest(): name for name, path in files.items()} == SUMS


def test_vendored_version_is_the_one_served() -> None:
    """The version in the addresses, which are cached for ever, is that of the files."""
    assert f"`swagger-ui-dist` | {SWAGGER_UI} |" in NOTE


async def test_page_is_served_under_a_strict_policy(client: Client) -> None:
    """The page may load and ask nothing but its own origin, and runs no script that stands in it."""
    response = await client.get("/docs")
    assert response.status == 200
    assert await response.text() == PAGE
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_page_needs_nothing_inline() -> None:
    """The policy forbids scripts and styles in the page: there are none."""
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", PAGE)


@pytest.mark.parametrize("name", ["index.html", "page.css", "initializer.js"])
def test_page_names_no_other_place(name: str) -> None:
    """Whatever the page loads is relative to itself: it works without a network, and behind any gateway."""
    text = (STATIC / "docs" / name).read_text("utf-8")
    assert not re.search(r"(?:src|href|url)\s*[=:(]\s*[\"']?(?:\w+:)?/", text)


def test_nobody_is_asked_to_validate() -> None:
    """Swagger UI would send the document's address to a validator on the internet, were it not told otherwise."""
    assert "validatorUrl: null" in (STATIC / "docs" / "initializer.js").read_text("utf-8")


def test_page_loads_exactly_what_is_served() -> None:
    """Every address in the page is one of ours, or the document; its icon is no address at all."""
    loaded = re.findall(r'(?:src|href)="([^"]+)"', PAGE)
    assert sorted(loaded) == sorted(["data:,", "openapi.json", *(address.removeprefix("/") for address in ADDRESSES)])


@pytest.mark.parametrize(("path", "content_type", "cache_control"), ASSETS, ids=ADDRESSES)
async def test_assets(client: Client, path: str, content_type: str, cache_control: str) -> None:
    """Each asset has its type, and is kept by browsers as long as its address can hold nothing else."""
    response = await client.get(path)
    assert response.status == 200
    assert response.headers["Content-Type"] == content_type
    assert response.headers["Cache-Control"] == cache_control
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", *ADDRESSES])
async def test_what_a_browser_has_is_not_sent_again(client: Client, path: str) -> None:
    """An answer names its content, and 304 tells that it is still the same."""
    etag = (await client.get(path)).headers["ETag"]
    again = await client.get(path, headers={"If-None-Match": etag})
    other = await client.get(path, headers={"If-None-Match": '"other"'})
    assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", etag)
    assert other.status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/docs"),
        ("HEAD", "/openapi.json"),
        ("POST", "/docs"),
        ("GET", "/docs/"),
        ("GET", "/docs/index.html"),
        ("GET", "/docs/nothing.js"),
        ("GET", "/docs/swagger-ui-0.0.0/swagger-ui.css"),
        ("GET", "/docs/%2e%2e/config.yaml"),
        ("GET", f"/docs/swagger-ui-{SWAGGER_UI}/VENDORED.md"),
    ],
)
async def test_nothing_else_answers_there(client: Client, method: str, path: str) -> None:
    """Whatever is not an address of the page is route-non-existent, as everywhere."""
    response = await client.request(method, path)
    assert response.status == 500
    if method != "HEAD":
        assert (await response.json())["status"] == "route-non-existent"
