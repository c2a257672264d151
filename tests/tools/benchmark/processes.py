"""Programs of the benchmark: started, listened to, and ended, whatever happens."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from tests.tools.benchmark.load import DRAIN_SECONDS, Order, Outcome

ROOT = Path(__file__).parents[3]
START_SECONDS = 30.0
STOP_SECONDS = 12.0

_TAIL_BYTES = 4_000
_CHUNK_BYTES = 1 << 18


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why."""


class Program:
    """A running program whose output is read and thrown away, but for the count of its lines."""

    def __init__(self, process: asyncio.subprocess.Process, ready: bytes) -> None:
        self.pid = process.pid
        self.lines = 0
        self.tail = b""
        self._process = process
        self._ready = ready
        self._seen = 0
        self._changed = asyncio.Event()
        self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        assert self._process.stdout is not None
        while chunk := await self._process.stdout.read(_CHUNK_BYTES):
            self.lines += chunk.count(b"\n")
            self._seen += chunk.count(self._ready)
            self.tail = (self.tail + chunk)[-_TAIL_BYTES:]
            self._changed.set()
        self._changed.set()

    async def ready(self, times: int) -> None:
        """Return once the words that tell that a worker is ready were said that often."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while self._seen < times and not self._draining.done():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        if self._seen < times:
            raise BenchmarkError(
                f"process {self.pid} did not get ready. It said:\n{self.tail.decode(errors='replace')}"
            )

    async def stop(self) -> None:
        """Ask it to end, then make it end, with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()
        await self._draining


@contextlib.asynccontextmanager
async def program(
    command: Sequence[str], environment: Mapping[str, str], ready: bytes, times: int
) -> AsyncIterator[Program]:
    """What a command runs, ready when it has said `ready` that many times; ended at the end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,  # a Ctrl-C is for us: we end it
    )
    running = Program(process, ready)
    try:
        await running.ready(times)
        yield running
    finally:
        await running.stop()


class Generator:
    """The process that makes the load."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def carry_out(self, order: Order) -> Outcome:
        """The outcome of a load. Raises `BenchmarkError` when there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(asdict(order)) + b"\n")
        try:
            line = await asyncio.wait_for(
                self._process.stdout.readline(), order.seconds + DRAIN_SECONDS + START_SECONDS
            )
        except TimeoutError:
            line = b""
        if not line:
            raise BenchmarkError("the load generator did not answer")
        return Outcome(**orjson.loads(line))


@contextlib.asynccontextmanager
async def generator() -> AsyncIterator[Generator]:
    """A load generator, ended at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.tools.benchmark.load",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        yield Generator(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
