"""nginx as a real process with the configuration that is shipped, in front of a running service."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.serving.process import PATIENCE_SECONDS, REPOSITORY, alive, processes, until

SHIPPED = REPOSITORY / "deploy" / "nginx"

# What nginx.conf is on a machine: the shipped files are included by it, as their head says.
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
    """Where nginx is; a machine without it fails the test, and says how to get it."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return found or pytest.fail("nginx is not installed: apt-get install nginx-light", pytrace=False)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def furnish(folder: Path, upstream: str, port: int, changes: Mapping[str, str]) -> None:
    """Put the shipped configuration into `folder`, with the addresses of this run and `changes` of its text."""
    # As root its workers would become nobody, who does not reach the folders of a test.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    wanted = {
        "listen 80;": f"listen 127.0.0.1:{port};",
        "server 127.0.0.1:8080;": f"server {urlsplit(upstream).netloc};",
        "/var/log/nginx/": f"{folder}/",
        **changes,
    }
    for path in SHIPPED.glob("*.conf"):
        text = path.read_text()
        for old in [old for old in wanted if re.search(rf"^[^#\n]*{re.escape(old)}", text, re.MULTILINE)]:
            text = re.sub(rf"^([^#\n]*){re.escape(old)}", rf"\g<1>{wanted.pop(old)}", text, flags=re.MULTILINE)
        (folder / path.name).write_text(text)
    assert not wanted, f"not in the shipped configuration: {[*wanted]}"


class Gateway:
    """A running nginx; `gateway` makes them."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, port: int) -> None:
        self.process = process
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    @property
    def log(self) -> str:
        """What it has logged of errors."""
        return (self.folder / "error.log").read_text()

    @property
    def accesses(self) -> list[str]:
        """What it has logged of requests."""
        return (self.folder / "requirements.log").read_text().splitlines()

    def workers(self) -> set[int]:
        """The pids of its worker processes that run."""
        found = {pid for pid, (parent, _) in processes().items() if parent == self.process.pid}
        return {pid for pid in found if alive(pid)}

    async def reload(self) -> None:
        """What `nginx -s reload` does; returns once there is a new worker, with old ones still finishing."""
        before = self.workers()
        self.process.send_signal(signal.SIGHUP)
        await until(lambda: self.workers() - before)

    async def accepts(self) -> None:
        """Wait until it takes connections."""
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
    """An nginx in front of `upstream`, with `changes` of the shipped text; stopped at the end."""
    port = free_port()
    furnish(folder, upstream, port, changes or {})
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
