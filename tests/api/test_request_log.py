"""The log line of a request, which contains no secret of the caller."""

from typing import Any

import pytest

from service.api.app import create_app
from service.config import Config
from tests.api.exchange import IDEMPOTENCY_KEY
from tests.conftest import AppClient
from tests.factories import CREATE, AppRecord, Records, params


@pytest.mark.parametrize("path", [CREATE, "/nowhere"])
async def test_no_log_line_contains_a_token(
    config: Config, records: Records, application: AppRecord, user_id: int, aiohttp_client: AppClient, path: str
) -> None:
    """The log line of a request contains no token, wherever the caller sent it."""
    await records.deploy()
    lines: list[dict[str, Any]] = []
    client = await aiohttp_client(
        create_app(config, log_request=lambda fields, *, quiet: lines.append(fields | {"quiet": quiet}))
    )
    token = application.token
    headers = {"Authorization": f"Bearer {token}", IDEMPOTENCY_KEY: token, "Cookie": token}
    request = client.post(path, json=params(token, user_id, value=token), params={"token": token}, headers=headers)
    async with request as response:
        assert response.status == (200 if path == CREATE else 500)
    (line,) = lines
    assert line["http_code"] == response.status
    assert token not in str(line)
