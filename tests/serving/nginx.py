"""A real nginx before the service."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from tests.serving.connection import Address
from tests.serving.process import PATIENCE_SECONDS

# Shorter than the service drains, as it is with the settings that are shipped for both.
CONFIGURATION = """
worker_processes 1;
pid nginx.pid;
error_log errors.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    upstream requirements {{ server {host}:{port}; keepalive 64; keepalive_timeout 300ms; }}
    server {{
        listen 127.0.0.1:{listen};
        location / {{
            proxy_pass http://requirements;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextlib.asynccontextmanager
async def nginx(folder: Path, upstream: Address) -> AsyncIterator[Address]:
    """Where nginx listens, which passes everything on to `upstream` and keeps what it needs in `folder`."""
    host, port = upstream
    address = ("127.0.0.1", free_port())
    # Its workers are of another user where we are root.
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(user + CONFIGURATION.format(host=host, port=port, listen=address[1]))
    process = await asyncio.create_subprocess_exec(
        *("nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "errors.log", "-g", "daemon off;"),
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await _listens(address):
                assert process.returncode is None, (folder / "errors.log").read_text()
                await asyncio.sleep(0.02)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _listens(address: Address) -> bool:
    try:
        _, writer = await asyncio.open_connection(*address)
    except OSError:
        return False
    writer.close()
    return True
