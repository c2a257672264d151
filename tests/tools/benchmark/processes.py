"""Start and stop the programs of the benchmark."""

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

from tests.tools.benchmark.load_generator import DRAIN_SECONDS, LoadSpec, Outcome

ROOT = Path(__file__).parents[3]
START_SECONDS = 30.0
STOP_SECONDS = 12.0

_TAIL_BYTES = 4_000
_CHUNK_BYTES = 1 << 18


class BenchmarkError(Exception):
    """The benchmark cannot continue. The message says why."""


class Program:
    """A running program. Its output is discarded, and its lines are counted."""

    def __init__(self, process: asyncio.subprocess.Process, ready: bytes) -> None:
        self.pid = process.pid
        self.lines = 0
        self.tail = b""
        self._process = process
        self._ready = ready
        self._ready_count = 0
        self._changed = asyncio.Event()
        self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        assert self._process.stdout is not None
        while chunk := await self._process.stdout.read(_CHUNK_BYTES):
            self.lines += chunk.count(b"\n")
            self._ready_count += chunk.count(self._ready)
            self.tail = (self.tail + chunk)[-_TAIL_BYTES:]
            self._changed.set()
        self._changed.set()

    async def ready(self, times: int) -> None:
        """Wait until the program has printed `ready` this many times."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while self._ready_count < times and not self._draining.done():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        if self._ready_count < times:
            raise BenchmarkError(
                f"process {self.pid} did not become ready. Its output:\n{self.tail.decode(errors='replace')}"
            )

    async def stop(self) -> None:
        """Terminate the program, then kill it and its descendants."""
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
    """Run a command until the context ends; it is ready when it has printed `ready` this many times."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,  # Ctrl-C goes to the benchmark, which stops the program
    )
    running = Program(process, ready)
    try:
        await running.ready(times)
        yield running
    finally:
        await running.stop()


class Generator:
    """The load generator's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, spec: LoadSpec) -> Outcome:
        """Run a load and return its outcome. Raises `BenchmarkError` if there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(asdict(spec)) + b"\n")
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), spec.seconds + DRAIN_SECONDS + START_SECONDS)
        except TimeoutError:
            line = b""
        if not line:
            raise BenchmarkError("the load generator did not answer")
        return Outcome(**orjson.loads(line))


@contextlib.asynccontextmanager
async def generator() -> AsyncIterator[Generator]:
    """Run a load generator until the context ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.tools.benchmark.load_generator",
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
    """Return a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
