"""Pipes between the process in charge and those that it started."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator


@contextlib.contextmanager
def lifeline() -> Iterator[int]:
    """A file descriptor for children to read: it ends when this process does, however that happens."""
    read, write = os.pipe()
    try:
        yield read
    finally:
        os.close(read)
        os.close(write)


@contextlib.asynccontextmanager
async def readable(fd: int) -> AsyncIterator["asyncio.Task[object]"]:
    """A task that ends once there is something to read, or the other end is closed; `fd` is closed at the end."""
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(fd, there.set)
    waiting: asyncio.Task[object] = asyncio.create_task(there.wait())
    try:
        yield waiting
    finally:
        waiting.cancel()
        loop.remove_reader(fd)
        os.close(fd)
