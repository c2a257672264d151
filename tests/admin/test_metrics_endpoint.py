"""GET /metrics of a running service."""

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from service import __version__
from tests.admin.conftest import RunningService, settings
from tests.admin.scraping import scrape
from tests.serving.process import serving

EXPECTED = {
    "requirements_requests_total",
    "requirements_request_duration_seconds_bucket",
    "requirements_requests_in_flight",
    "requirements_batches_total",
    "requirements_batch_items_total",
    "requirements_batch_waiting",
    "requirements_database_pool_connections",
    "requirements_database_pool_limit",
    "requirements_database_pool_waiting",
    "requirements_database_statements_total",
    "requirements_registry_age_seconds",
    "requirements_registry_loads_total",
    "requirements_session_touches_total",
    "requirements_emails",
    "requirements_oldest_pending_email_age_seconds",
    "requirements_notifications_unacknowledged",
    "requirements_event_loop_lag_seconds_bucket",
    "requirements_workers",
    "requirements_restarts_total",
    "requirements_worker_cpu_seconds_total",
    "requirements_worker_resident_memory_bytes",
    "requirements_build_info",
    "requirements_database_up",
    "requirements_migrations_pending",
}


async def test_every_metric_exists(shared: RunningService) -> None:
    """Every metric exists and has a help text."""
    await shared.ping()
    found = await scrape(shared.http, shared.console)
    assert found.names >= EXPECTED
    assert [family.name for family in found.families if not family.documentation.endswith(".")] == []
    assert [name for name in found.names if not name.startswith("requirements_")] == []
    assert found.total("requirements_build_info", version=__version__) == 1
    assert found.total("requirements_database_up") == 1


async def test_it_is_the_text_format_and_not_cached(shared: RunningService) -> None:
    """The response has the text format 0.0.4, and needs no login."""
    async with shared.http.get(f"{shared.console}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"


async def test_it_is_not_on_the_public_listener(shared: RunningService) -> None:
    """The public listener does not serve /metrics."""
    async with shared.http.get(f"{shared.serve.url}/metrics") as response:
        assert (await response.json())["status"] == "route-non-existent"


async def test_no_value_of_a_caller_is_shown(shared: RunningService) -> None:
    """No token, address or path sent by a caller appears in the metrics."""
    await shared.create()
    secret = "sk-do-not-tell"
    for path in (f"/{secret}", f"/api/{secret}", f"/ping?token={secret}"):
        async with shared.http.get(f"{shared.serve.url}{path}", headers={"X-Request-ID": secret, "User-Agent": secret}):
            pass
    text = (await scrape(shared.http, shared.console)).text
    shown = [word for word in (secret, shared.demo.application_token, "postgres", "127.0.0.1") if word in text]
    assert shown == []


@pytest.mark.parametrize(("version", "status"), [("1.1", b"200"), ("1.0", b"200"), ("2.0", b"400"), ("0.9", b"400")])
async def test_both_listeners_serve_http_1_only(shared: RunningService, version: str, status: bytes) -> None:
    """A request of another version than HTTP/1.0 and 1.1 is refused on the internal and on the public listener."""
    for address, path in ((shared.console, "/metrics"), (shared.serve.url, "/ping")):
        host, port = address.removeprefix("http://").split(":")
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET {path} HTTP/{version}\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            line, body = await reader.readline(), await reader.read()
            writer.close()
        assert line.split()[1] == status, address
        assert body.endswith(b"400: Bad Request\n") is (status == b"400")


@pytest.fixture(params=["silent", "refused"])
def unreachable_port(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a database that does not answer, or does not exist."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        if request.param == "refused":
            listener.close()
        yield port


async def test_without_a_database_it_responds_in_time(
    tmp_path: Path, unreachable_port: int, http: aiohttp.ClientSession
) -> None:
    """While the database is unreachable, its numbers are missing and the response takes at most two seconds."""
    url = f"postgresql://someone:hidden@127.0.0.1:{unreachable_port}/somewhere"
    async with serving(tmp_path, environ=settings(url)) as serve:
        console = (await serve.event("console-listening"))[0]["url"]
        await serve.event("console-ready")
        async with http.get(f"{serve.url}/ping") as response:
            assert response.status == 200
        async with asyncio.timeout(2):
            found = await scrape(http, console)
        assert found.total("requirements_database_up") == 0
        assert found.total("requirements_requests_total", route="/ping") == 1
        absent = r"requirements_(emails|oldest_pending_email_age_seconds|notifications_\w+|migrations_pending)"
        assert [name for name in found.names if re.fullmatch(absent, name)] == []
        assert "hidden" not in found.text
