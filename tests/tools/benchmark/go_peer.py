"""The Go peer's program, made where Go and pgx are at hand."""

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

# The first time Go compiles its own library as well.
BUILD_SECONDS = 60.0


class GoMissing(Exception):
    """There is no Go peer; the message says why, and what to do about it."""


async def build(folder: Path) -> Path:
    """The program, made in `folder`. Raises `GoMissing`."""
    if shutil.which("go") is None or not PGX.is_dir():
        raise GoMissing("not here: it needs apt-get install golang-go golang-github-jackc-pgx-v4-dev")
    path = folder / "go-peer"
    await _go("build", "-o", str(path), *(str(source) for source in sorted(SOURCES.glob("*.go"))))
    return path


async def version() -> str:
    """What made it. Raises `GoMissing`."""
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
        raise GoMissing(f"not made within {BUILD_SECONDS:g} s; another run goes on from there") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        raise GoMissing(f"go said: {' '.join(output.decode(errors='replace').split())}")
    return output.decode()
