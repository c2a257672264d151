"""The load generator, a separate process: reads a load specification per line and prints an outcome per line.

Each connection has one request in flight. All latencies are kept, so percentiles are exact.
"""

import asyncio
import gc
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from time import perf_counter, process_time
from typing import cast

import orjson
import uvloop

from tests.tools.benchmark.bare_statement import time_creates
from tests.tools.benchmark.copies import time_copies
from tests.tools.benchmark.figures import percentile
from tests.tools.benchmark.payloads import requests
from tests.tools.benchmark.plan import Callers

DRAIN_SECONDS = 15.0

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_OK = b"HTTP/1.1 200 "


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """A load on the server at `port`, or, if `url` is set, on the database there without a server.

    `items` is the number of requirements a time. Several are copied into the database, if there is no server.
    """

    connections: int
    seconds: float
    callers: Callers
    population: int
    port: int = 0
    url: str = ""
    items: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of a load. `rate` counts answers within the time, `answers` also the last ones after it."""

    connections: int
    rate: float
    answers: int
    p50: float | None
    p99: float | None
    failures: dict[str, int]
    cpu_seconds: float


class _Run:
    def __init__(self, spec: LoadSpec, messages: Iterator[bytes]) -> None:
        self._messages = messages
        self._seconds = spec.seconds
        self._busy = 0
        self.idle = asyncio.Event()
        self.latencies: list[float] = []
        self.in_time = 0
        self.failures: Counter[str] = Counter()

    def begin(self, connections: list["_Connection"]) -> None:
        self._deadline = perf_counter() + self._seconds
        self._busy = len(connections)
        for connection in connections:
            connection.send(next(self._messages))

    def answered(self, connection: "_Connection", status: bytes) -> None:
        now = perf_counter()
        self.latencies.append(now - connection.sent)
        if status != _OK:
            self.failures[status.decode("latin-1").strip()] += 1
        if now < self._deadline:
            self.in_time += 1
            connection.send(next(self._messages))
        else:
            self.ended(connection)

    def ended(self, connection: "_Connection", failure: str | None = None) -> None:
        if failure is not None:
            self.failures[failure] += 1
        connection.busy = False
        self._busy -= 1
        if not self._busy:
            self.idle.set()


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._received = b""
        self.busy = False
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, message: bytes) -> None:
        self.busy = True
        self.sent = perf_counter()
        self.transport.write(message)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received, 0, end + 2) if end >= 0 else None
        if length is not None and len(received) >= end + 4 + int(length[1]):
            self._received = b""
            self._run.answered(self, received[: len(_OK)])
        elif end >= 0 and length is None:
            self._run.ended(self, "an answer without Content-Length")
        else:
            self._received = received

    def connection_lost(self, _: Exception | None) -> None:
        if self.busy:
            self._run.ended(self, "a connection was closed")


async def _send_load(spec: LoadSpec, messages: Iterator[bytes]) -> tuple[int, list[float], dict[str, int]]:
    loop = asyncio.get_running_loop()
    run = _Run(spec, messages)
    connections = []
    for _ in range(spec.connections):
        _, connection = await loop.create_connection(lambda: _Connection(run), "127.0.0.1", spec.port)
        connections.append(connection)
    run.begin(connections)
    try:
        await asyncio.wait_for(run.idle.wait(), spec.seconds + DRAIN_SECONDS)
    except TimeoutError:
        run.failures["no answer"] += sum(connection.busy for connection in connections)
    for connection in connections:
        connection.busy = False
        connection.transport.close()
    return run.in_time, run.latencies, dict(run.failures)


async def _run_spec(spec: LoadSpec, messages: Iterator[bytes]) -> Outcome:
    used = process_time()
    if spec.url:
        if spec.items == 1:
            latencies = await time_creates(spec.url, spec.seconds, spec.callers, spec.population)
        else:
            latencies = await time_copies(spec.url, spec.seconds, spec.items)
        in_time, failures = len(latencies), dict[str, int]()
    else:
        in_time, latencies, failures = await _send_load(spec, messages)
    used = process_time() - used
    latencies.sort()
    p50, p99 = (percentile(latencies, percent) if latencies else None for percent in (50, 99))
    return Outcome(spec.connections, in_time / spec.seconds, len(latencies), p50, p99, failures, used)


def main() -> None:
    """Run loads until the input ends."""
    gc.disable()
    prepared: dict[tuple[str, int, int, int], Iterator[bytes]] = {}
    for line in sys.stdin.buffer:
        spec = LoadSpec(**orjson.loads(line))
        kind = (spec.callers, spec.population, spec.port, spec.items)
        if kind not in prepared:
            prepared[kind] = cycle(requests(*kind))
        outcome = uvloop.run(_run_spec(spec, prepared[kind]))
        sys.stdout.buffer.write(orjson.dumps(asdict(outcome)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
