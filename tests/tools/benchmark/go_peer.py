"""Build the Go peer if Go and pgx are installed."""

import asyncio
import contextlib
import os
import shutil
import signal
from pathlib import Path

SOURCES = Path(__file__).parent / "peers" / "go"
# Where Debian keeps the sources of Go packages.
LIBRARIES = Path("/usr/share/gocode")
PGX = LIBRARIES / "src/github.com/jackc/pgx/v4"

# The first build also compiles Go's standard library.
BUILD_SECONDS = 60.0


class GoUnavailableError(Exception):
    """The Go peer could not be built. The message says why."""


async def build(folder: Path) -> Path:
    """Build the program in `folder` and return its path. Raises `GoUnavailableError`."""
    if shutil.which("go") is None or not PGX.is_dir():
        raise GoUnavailableError("not installed: apt-get install golang-go golang-github-jackc-pgx-v4-dev")
    path = folder / "go-peer"
    await _go("build", "-o", str(path), *(str(source) for source in sorted(SOURCES.glob("*.go"))))
    return path


async def version() -> str:
    """Return the versions of Go and pgx. Raises `GoUnavailableError`."""
    return f"{(await _go('version')).removeprefix('go version ').strip()}, pgx v4"


async def _go(*arguments: str) -> str:
    settings = {"GO111MODULE": "off", "GOPATH": str(LIBRARIES), "GOFLAGS": "", "CGO_ENABLED": "0"}
    process = await asyncio.create_subprocess_exec(
        "go",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **settings},
        start_new_session=True,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), BUILD_SECONDS)
    except TimeoutError:
        raise GoUnavailableError(f"build exceeded {BUILD_SECONDS:g} s; another run continues from its cache") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        raise GoUnavailableError(f"go failed: {' '.join(output.decode(errors='replace').split())}")
    return output.decode()
