"""Write log lines in a thread, so that a slow reader does not block the caller."""

import os
import select
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator

_QUEUED_LINES = 10_000
_QUEUED_BYTES = 8 * 1024 * 1024
# How long a line waits for others.
BATCH_SECONDS = 0.1
_CLOSE_SECONDS = 2.0
_POLL_MILLISECONDS = 100


class LogSink:
    """A bounded queue of lines, and a daemon thread that writes them to a file descriptor.

    A line is dropped and counted if the queue is full or the descriptor refuses it. `report` formats the number of
    dropped lines as a line, which is written as soon as possible. A forked child starts with an empty queue.
    """

    def __init__(self, fd: int, report: Callable[[int], bytes]) -> None:
        self._fd = fd
        self._report = report
        self._thread: threading.Thread | None = None
        self._reset()
        _reset_in_child(weakref.ref(self))

    def write(self, line: bytes) -> None:
        """Queue one line, which includes its newline. Never blocks on the descriptor. Does nothing after `close`."""
        with self._lock:
            if self._closing:
                return
            if len(self._lines) >= _QUEUED_LINES or self._size + len(line) > _QUEUED_BYTES:
                self._dropped += 1
                return
            self._lines.append(line)
            self._size += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
                self._thread.start()
            elif len(self._lines) == 1:
                self._ready.notify()

    def close(self) -> None:
        """Write the queued lines, waiting at most 2 seconds. Later lines are discarded."""
        with self._ready:
            self._closing = True
            self._ready.notify()
            thread = self._thread
        if thread is not None:
            thread.join(_CLOSE_SECONDS)

    def _reset(self) -> None:
        # Reentrant: a finalizer that the garbage collector runs during a write may log.
        self._lock = threading.RLock()
        self._ready = threading.Condition(self._lock)
        self._lines: list[bytes] = []
        self._size = 0
        self._dropped = 0
        self._closing = False
        self._thread = None

    def _run(self) -> None:
        closing = False
        while not closing:
            with self._ready:
                self._ready.wait_for(lambda: self._lines or self._closing)
                closing = self._closing
            if not closing:
                # Writing lines in batches takes the GIL from the event loop less often.
                time.sleep(BATCH_SECONDS)
            self._drain()

    def _drain(self) -> None:
        with self._ready:
            lines, self._lines, self._size = self._lines, [], 0
            dropped, self._dropped = self._dropped, 0
        lost = sum(map(self._write_chunk, _chunks(lines)))
        if dropped and self._write_chunk(self._report(dropped)):
            lost += dropped
        with self._ready:
            self._dropped += lost

    def _write_chunk(self, chunk: bytes) -> int:
        """Write `chunk` and return the number of its lines that could not be written."""
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
        except OSError:
            return bytes(rest).count(b"\n")
        return 0

    def _write_some(self, rest: memoryview) -> int:
        try:
            return os.write(self._fd, rest)
        except BlockingIOError:
            poll = select.poll()
            poll.register(self._fd, select.POLLOUT)
            poll.poll(_POLL_MILLISECONDS)
            return 0


def _reset_in_child(reference: weakref.ref[LogSink]) -> None:
    def reset() -> None:
        if (sink := reference()) is not None:
            sink._reset()  # noqa: SLF001  # fork hooks cannot be unregistered, so this one holds a weak reference

    os.register_at_fork(after_in_child=reset)


def _chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines into chunks of at most PIPE_BUF bytes, which the kernel writes whole to a pipe that processes share.

    A longer line is a chunk of its own.
    """
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and size + len(line) > select.PIPE_BUF:
            yield b"".join(chunk)
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield b"".join(chunk)
