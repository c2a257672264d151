"""A real PgBouncer with the shipped configuration, in front of a database."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp.test_utils import unused_port

from tests.proxy import proxied
from tests.serving.process import PATIENCE_SECONDS, REPOSITORY

SHIPPED = REPOSITORY / "deploy" / "pgbouncer" / "pgbouncer.ini"


def executable() -> str:
    """The path of pgbouncer; fails the test if it is not installed."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return found or pytest.fail("PgBouncer is not installed: apt-get install pgbouncer", pytrace=False)


def configuration(database_url: str, port: int, mode: str) -> str:
    """The shipped configuration, with the addresses of this run, this mode, and without passwords."""
    server = urlsplit(database_url)
    text = SHIPPED.read_text()
    for old, new in {
        "requirements = host=db.internal port=5432 dbname=requirements": (
            f"* = host=127.0.0.1 port={server.port} user={server.username}"
        ),
        "listen_port = 6432": f"listen_port = {port}",
        "auth_type = scram-sha-256": "auth_type = any",
        "auth_file = /etc/pgbouncer/userlist.txt": "unix_socket_dir =",
        "pool_mode = session": f"pool_mode = {mode}",
    }.items():
        assert text.count(f"\n{old}\n") == 1, f"not in the shipped configuration: {old}"
        text = text.replace(old, new)
    return text


@contextlib.asynccontextmanager
async def pgbouncer(database_url: str, mode: str = "session") -> AsyncIterator[str]:
    """Run PgBouncer in front of the database in this pool mode. Yields the database's URL through it."""
    port = unused_port()
    async with proxied(database_url) as proxy:
        with written(configuration(proxy.url, port, mode)) as path:
            # It does not run as root.
            user = ("-u", "nobody") if os.geteuid() == 0 else ()
            process = await asyncio.create_subprocess_exec(
                executable(), *user, str(path), stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                await _accepting(port, process)
                yield urlsplit(proxy.url)._replace(netloc=f"postgres@127.0.0.1:{port}").geturl()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


@contextlib.contextmanager
def written(text: str) -> Iterator[Path]:
    """A file with this text, which every user can read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pgbouncer.ini")
        path.write_text(text)
        Path(folder).chmod(0o755)
        yield path


async def _accepting(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)
    pytest.fail(f"PgBouncer did not start: it exited with {process.returncode}")
