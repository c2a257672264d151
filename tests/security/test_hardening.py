"""What callers cannot set, what every response contains, and whom the Mandrill key is sent to."""

import datetime as dt
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from service.config import Config
from service.mail.errors import MandrillUnreachable
from service.mail.mandrill import open_mandrill
from tests.api.exchange import post_create
from tests.conftest import Client
from tests.factories import CREATE, AppRecord, Records, params
from tests.mail.conftest import API_KEY, RECIPIENTS, SENDER

COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = 'requirements'"
SETTABLE = {"key", "value"}


async def test_columns_cannot_be_set(client: Client, records: Records, application: AppRecord) -> None:
    """Params named after columns are ignored."""
    columns = {row["column_name"] for row in await records.connection.fetch(COLUMNS)} - SETTABLE
    assert {"id", "application_id", "user_id", "session_id", "request_uid", "created_at"} <= columns
    user_id, _ = await records.user()
    forged = dict.fromkeys(columns, 424242) | {"created_at": "1999-01-01T00:00:00Z", "updated_at": "1999-01-01"}
    response = await post_create(client, forged | params(application.token, user_id, admin=True))
    row = await records.connection.fetchrow("SELECT * FROM requirements")
    assert row is not None
    assert (response.status, response.data["id"]) == ("action-successful", row["id"])
    assert (row["application_id"], row["user_id"], row["session_id"]) == (application.id, None, None)
    assert (row["required_type"], row["required_id"], row["requireable_id"]) == ("User", user_id, user_id)
    assert dt.datetime.now(dt.UTC) - row["created_at"] < dt.timedelta(minutes=1)
    assert 424242 not in dict(row).values()


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", CREATE), ("GET", "/"), ("GET", "/ping"), ("GET", "/ready"), ("GET", "/docs"), ("GET", "/openapi.json")],
)
async def test_security_headers(client: Client, method: str, path: str) -> None:
    """Every response has nosniff and no version or CORS headers; API responses have no-store."""
    async with client.request(method, path, allow_redirects=False) as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Server"] == "requirements-service"
        assert not {"X-Powered-By", "Via", "Access-Control-Allow-Origin"} & response.headers.keys()
        if path == CREATE:
            assert response.headers["Cache-Control"] == "no-store"


@pytest.fixture
async def untrusted_mandrill(tmp_path: Path) -> AsyncIterator[str]:
    """A Mandrill with an untrusted certificate."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], check=True, capture_output=True)  # noqa: ASYNC221, S603 - short, and fixed arguments
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def fail(_: web.Request) -> web.Response:
        raise AssertionError("the key was sent")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fail)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "localhost", 0, ssl_context=context)
    await site.start()
    yield f"https://localhost:{site.port}/api/1.0"
    await runner.cleanup()


async def test_an_untrusted_mandrill_gets_no_key(config: Config, untrusted_mandrill: str) -> None:
    """With an untrusted certificate the connection ends before the API key is sent."""
    settings = replace(
        config.mandrill, api_key=API_KEY, recipients=RECIPIENTS, sender=SENDER, base_url=untrusted_mandrill
    )
    async with open_mandrill(settings) as mandrill:
        with pytest.raises(MandrillUnreachable) as error:
            await mandrill.send({}, RECIPIENTS, 5.0)
    assert isinstance(error.value.__cause__, aiohttp.ClientConnectorCertificateError)
