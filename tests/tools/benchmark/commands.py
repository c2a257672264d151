"""Command lines of the servers among the contestants."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.tools.benchmark.peers.echo import READY
from tests.tools.benchmark.plan import ECHO, GO, PEER, UNBATCHED
from tests.tools.benchmark.processes import ROOT, free_port

# Printed by each of uvicorn's workers.
PEER_READY = b"Application startup complete."
GO_READY = b"the Go peer is ready"

# The default size of asyncpg's pool, which each worker of the FastAPI peer has.
GO_CONNECTIONS_A_WORKER = 10

# PYTHONPATH that disables batching, inherited by every worker.
WITHOUT_BATCHING = os.pathsep.join([str(Path(__file__).parent / "peers" / "unbatched"), str(ROOT)])


@dataclass(frozen=True, slots=True)
class Command:
    """A command and its port. Each of its `processes` prints `ready`."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    ready: bytes
    processes: int
    port: int
    console: int | None = None  # port of the service's metrics


def command_of(name: str, url: str, workers: int, go: Path | None) -> Command:
    """Return the command of a contestant with this many workers on the database at `url`; `go` is the Go program."""
    port = free_port()
    plain = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "SENTRY_DSN"}}
    served = {**plain, "DATABASE_URL": url, "HOST": "127.0.0.1", "PORT": str(port), "WEB_CONCURRENCY": str(workers)}
    if name == ECHO:
        arguments = (sys.executable, "-m", "tests.tools.benchmark.peers.echo", str(port), str(workers))
        return Command(arguments, plain, READY, workers, port)
    if name == PEER:
        app = ("uvicorn", "tests.tools.benchmark.peers.fastapi_app:app", "--loop", "uvloop", "--http", "httptools")
        uvicorn = (sys.executable, "-m", *app, "--port", str(port), "--workers", str(workers))
        return Command(uvicorn, served, PEER_READY, workers, port)
    if name == GO:
        bounds = {"GOMAXPROCS": str(workers), "POOL_SIZE": str(workers * GO_CONNECTIONS_A_WORKER)}
        return Command((str(go),), served | bounds, GO_READY, 1, port)
    batching = {"PYTHONPATH": WITHOUT_BATCHING} if name == UNBATCHED else {}
    return _serve(served | batching, workers, port)


def _serve(environment: Mapping[str, str], workers: int, port: int) -> Command:
    console = free_port()
    # No gateway needs time to notice the stop.
    settings = {"REQUIREMENTS__SERVER__DRAIN_SECONDS": "0", "REQUIREMENTS__CONSOLE__PORT": str(console)}
    arguments = (sys.executable, "-m", "service", "serve")
    return Command(arguments, {**environment, **settings}, b'"worker-ready"', workers, port, console)
