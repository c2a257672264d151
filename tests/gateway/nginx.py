"""A real nginx process with the shipped configuration, in front of a running service."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp.test_utils import unused_port

from tests.serving.process import PATIENCE_SECONDS, REPOSITORY, alive, processes, until

SHIPPED = REPOSITORY / "deploy" / "nginx"

# A minimal nginx.conf that includes the shipped files, as their header says.
MAIN = """
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid nginx.pid;
error_log error.log notice;
events {{ worker_connections 16384; }}
http {{
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include requirements.conf;
}}
"""


def executable() -> str:
    """The path of nginx; fails the test if it is not installed."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return found or pytest.fail("nginx is not installed: apt-get install nginx-light", pytrace=False)


def write_configuration(folder: Path, upstream: str, port: int, changes: Mapping[str, str]) -> None:
    """Write the shipped configuration into `folder`, with this run's addresses and text replacements."""
    # Workers started by root would run as nobody, who cannot read the test's folders.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    replacements = {
        "listen 80;": f"listen 127.0.0.1:{port};",
        "server 127.0.0.1:8080;": f"server {urlsplit(upstream).netloc};",
        "/var/log/nginx/": f"{folder}/",
        **changes,
    }
    for path in SHIPPED.glob("*.conf"):
        text = path.read_text()
        for old in [old for old in replacements if re.search(rf"^[^#\n]*{re.escape(old)}", text, re.MULTILINE)]:
            text = re.sub(rf"^([^#\n]*){re.escape(old)}", rf"\g<1>{replacements.pop(old)}", text, flags=re.MULTILINE)
        (folder / path.name).write_text(text)
    assert not replacements, f"not in the shipped configuration: {[*replacements]}"


class Gateway:
    """A running nginx; created by `gateway`."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, port: int) -> None:
        self.process = process
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @property
    def log(self) -> str:
        """The contents of the error log."""
        return (self.folder / "error.log").read_text()

    @property
    def accesses(self) -> list[str]:
        """The lines of the access log."""
        return (self.folder / "requirements.log").read_text().splitlines()

    def workers(self) -> set[int]:
        """The pids of the running worker processes."""
        found = {pid for pid, (parent, _) in processes().items() if parent == self.process.pid}
        return {pid for pid in found if alive(pid)}

    async def reload(self) -> None:
        """Reload as `nginx -s reload` does; return once a new worker runs, possibly beside old ones."""
        before = self.workers()
        self.process.send_signal(signal.SIGHUP)
        await until(lambda: self.workers() - before)

    async def accepts(self) -> None:
        """Wait until it accepts connections."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert self.process.returncode is None, self.log
            assert time.monotonic() < deadline, "nginx does not listen"
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def gateway(folder: Path, upstream: str, changes: Mapping[str, str] | None = None) -> AsyncIterator[Gateway]:
    """Run an nginx in front of `upstream`, with text replacements in the shipped files; stop it at the end."""
    port = unused_port()
    write_configuration(folder, upstream, port, changes or {})
    process = await asyncio.create_subprocess_exec(
        *(executable(), "-p", str(folder), "-c", "nginx.conf", "-e", str(folder / "error.log")),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    running = Gateway(process, folder, port)
    try:
        await running.accepts()
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)
