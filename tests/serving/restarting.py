"""A service whose settings file tests rewrite before they restart its workers."""

import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from tests.serving.connection import Address
from tests.serving.process import Serve, serving

SETTINGS = """
server: {{shutdown_seconds: 3.0, drain_seconds: {drain}, keepalive_seconds: {keepalive}, workers: {workers}}}
"""


def settings(folder: Path, drain: float, workers: int = 2, more: str = "", keepalive: float = 75) -> None:
    """Write the settings that the next restart reads."""
    text = SETTINGS.format(drain=drain, keepalive=keepalive, workers=workers)
    (folder / "config.yaml").write_text(text + more)


@contextlib.asynccontextmanager
async def restartable(
    folder: Path,
    url: str,
    drain: float,
    workers: int = 2,
    environ: Mapping[str, str] | None = None,
    keepalive: float = 75,
) -> AsyncIterator[Serve]:
    """Run a service on the database at `url`, and wait until all its workers are ready."""
    settings(folder, drain, workers, keepalive=keepalive)
    fixed = {
        "DATABASE_URL": url,
        "REQUIREMENTS__DATABASE__REQUIRE_DURABLE": "false",
        "REQUIREMENTS__SERVER__DRAIN_SECONDS": "",  # only the file sets it
    }
    async with serving(folder, environ=fixed | dict(environ or {})) as serve:
        await serve.workers(workers)
        yield serve


def address_of(serve: Serve) -> Address:
    """The host and port at which it listens."""
    url = urlsplit(serve.url)
    return str(url.hostname), int(url.port or 0)


async def restart(serve: Serve, count: int = 1) -> None:
    """Restart the workers, for the `count`th time, and wait until that is complete."""
    serve.process.send_signal(signal.SIGHUP)
    await serve.event("restarted", count, 60)
