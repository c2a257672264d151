"""The documentation page: every file is served by this service."""

import hashlib
import re
from pathlib import Path

import pytest

import service
from service.api.handlers.docs import SWAGGER_UI
from tests.conftest import Client

STATIC = Path(service.__file__).parent / "api" / "static"  # inside the package, so that the wheel includes it
VENDORED = STATIC / "swagger-ui"
PAGE = (STATIC / "docs" / "index.html").read_text("utf-8")
NOTE = (VENDORED / "VENDORED.md").read_text("utf-8")
DIGESTS = dict(re.findall(r"\| `([0-9a-f]{64})` \| `(.+)` \|", NOTE))

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
ASSET_PATHS = [path for path, _, _ in ASSETS]


def test_vendored_files_are_unchanged() -> None:
    """The vendored files are exactly those listed in VENDORED.md, with the same SHA-256."""
    files = {path.name: path for path in VENDORED.iterdir() if path.name != "VENDORED.md"}
    assert {hashlib.sha256(path.read_bytes()).hexdigest(): name for name, path in files.items()} == DIGESTS


def test_vendored_version_is_the_one_served() -> None:
    """The version in the URLs, which are cached as immutable, is the version of the vendored files."""
    assert f"`swagger-ui-dist` | {SWAGGER_UI} |" in NOTE


async def test_page_is_served_under_a_strict_policy(client: Client) -> None:
    """The page's Content-Security-Policy allows only its own origin and no inline scripts."""
    response = await client.get("/docs")
    assert response.status == 200
    assert await response.text() == PAGE
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_page_needs_nothing_inline() -> None:
    """The page has no inline scripts, styles or event handlers, which its policy forbids."""
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", PAGE)


@pytest.mark.parametrize("name", ["index.html", "page.css", "initializer.js"])
def test_page_has_only_relative_urls(name: str) -> None:
    """All URLs in the page are relative: it works without internet access and behind any gateway."""
    text = (STATIC / "docs" / name).read_text("utf-8")
    assert not re.search(r"(?:src|href|url)\s*[=:(]\s*[\"']?(?:\w+:)?/", text)


def test_the_online_validator_is_disabled() -> None:
    """Swagger UI's online validator is disabled."""
    assert "validatorUrl: null" in (STATIC / "docs" / "initializer.js").read_text("utf-8")


def test_page_loads_exactly_what_is_served() -> None:
    """The page loads the served assets and the OpenAPI document, and no other URL."""
    loaded = re.findall(r'(?:src|href)="([^"]+)"', PAGE)
    assert sorted(loaded) == sorted(["data:,", "openapi.json", *(path.removeprefix("/") for path in ASSET_PATHS)])


@pytest.mark.parametrize(("path", "content_type", "cache_control"), ASSETS, ids=ASSET_PATHS)
async def test_assets(client: Client, path: str, content_type: str, cache_control: str) -> None:
    """Each asset has its content type, and only versioned assets are cached as immutable."""
    response = await client.get(path)
    assert response.status == 200
    assert response.headers["Content-Type"] == content_type
    assert response.headers["Cache-Control"] == cache_control
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_address_of_the_service_leads_to_the_page(client: Client) -> None:
    """GET / is a redirect to /docs."""
    response = await client.get("/", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (302, "/docs")
    assert (await client.get("/")).url.path == "/docs"


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", *ASSET_PATHS])
async def test_unchanged_content_is_not_sent_again(client: Client, path: str) -> None:
    """A request with a matching If-None-Match gets 304 without a body."""
    etag = (await client.get(path)).headers["ETag"]
    again = await client.get(path, headers={"If-None-Match": etag})
    other = await client.get(path, headers={"If-None-Match": '"other"'})
    assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", etag)
    assert other.status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/"),
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
async def test_other_paths_do_not_exist(client: Client, method: str, path: str) -> None:
    """Any other method or path below /docs is route-non-existent."""
    response = await client.request(method, path)
    assert response.status == 500
    if method != "HEAD":
        assert (await response.json())["status"] == "route-non-existent"
