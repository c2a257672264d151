"""How the servers among the contestants are started."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.tools.benchmark.peers.echo import READY
from tests.tools.benchmark.plan import ECHO, GO, PEER, SERVICE, UNBATCHED
from tests.tools.benchmark.processes import ROOT, free_port

# Each of uvicorn's workers says so.
PEER_READY = b"Application startup complete."
GO_READY = b"the Go peer is ready"

# As many connections as asyncpg's pool makes for each of the FastAPI peer's workers.
GO_CONNECTIONS_A_WORKER = 10

# Every process that has this on its path, so each of the workers, too, runs the service without batching.
WITHOUT_BATCHING = os.pathsep.join([str(Path(__file__).parent / "peers" / "unbatched"), str(ROOT)])


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and where it answers then. Each of `processes` says `ready`."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    ready: bytes
    processes: int
    port: int
    console: int | None = None  # where the service tells what it measures


def command_of(name: str, url: str, workers: int, go: Path | None) -> Command:
    """What starts a contestant with that many workers on the database at `url`; `go` is the Go peer's program."""
    port = free_port()
    plain = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "SENTRY_DSN"}}
    served = {**plain, "DATABASE_URL": url, "HOST": "127.0.0.1", "PORT": str(port), "WEB_CONCURRENCY": str(workers)}
    if name == ECHO:
        words = (sys.executable, "-m", "tests.tools.benchmark.peers.echo", str(port), str(workers))
        return Command(words, plain, READY, workers, port)
    if name == PEER:
        app = ("uvicorn", "tests.tools.benchmark.peers.fastapi_app:app", "--loop", "uvloop", "--http", "httptools")
        uvicorn = (sys.executable, "-m", *app, "--port", str(port), "--workers", str(workers))
        return Command(uvicorn, served, PEER_READY, workers, port)
    if name == GO:
        bounds = {"GOMAXPROCS": str(workers), "POOL_SIZE": str(workers * GO_CONNECTIONS_A_WORKER)}
        return Command((str(go),), served | bounds, GO_READY, 1, port)
    batching = {SERVICE: dict[str, str](), UNBATCHED: {"PYTHONPATH": WITHOUT_BATCHING}}[name]
    return _serve(served | batching, workers, port)


def _serve(environment: Mapping[str, str], workers: int, port: int) -> Command:
    console = free_port()
    # There is no gateway to wait for at the end.
    settings = {"REQUIREMENTS__SERVER__DRAIN_SECONDS": "0", "REQUIREMENTS__CONSOLE__PORT": str(console)}
    words = (sys.executable, "-m", "service", "serve")
    return Command(words, {**environment, **settings}, b'"worker-ready"', workers, port, console)
