"""What a start of the service prints and logs about the console."""

import re
from pathlib import Path

import aiohttp

from service.admin.password import FILE_NAME
from tests.serving.process import serving


async def test_the_password_is_printed_and_not_logged(folder: Path, http: aiohttp.ClientSession) -> None:
    """The demo prints the console's URL and password. No log line contains the password."""
    environ = {"REQUIREMENTS__CONSOLE__PORT": "0", "LOG_LEVEL": "debug"}
    async with serving(folder, "--demo", environ=environ) as serve:
        line = await serve.line("console ")
        await serve.event("console-ready")
        url, password = re.fullmatch(r"console +(http://127\.0\.0\.1:\d+) with the password (\S+)", line).groups()  # type: ignore[union-attr]  # else it fails
        fields = {"name": "Ada", "password": password}
        async with http.post(
            f"{url}/console/login", data=fields, headers={"Origin": url}, allow_redirects=False
        ) as response:
            assert (response.status, response.headers["Location"]) == (303, "/console/")
        await serve.event("console-login")
    assert password == (folder / ".data" / FILE_NAME).read_text().strip()
    assert [line for line in serve.output + serve.errors if password in line] == [line]


async def test_a_start_without_the_demo_prints_no_password(folder: Path, database_url: str) -> None:
    """Without --demo, only the file contains the password, because the output may be collected."""
    environ = {"DATABASE_URL": database_url, "REQUIREMENTS__CONSOLE__PORT": "0"}
    async with serving(folder, environ=environ) as serve:
        await serve.event("console-ready")
    password = (folder / ".data" / FILE_NAME).read_text().strip()
    assert [line for line in serve.output + serve.errors if password in line] == []
