"""The client for blocking code: the methods of `AsyncRequirements`, run by an event loop in a thread of its own.

That way, both clients have one source, and a deadline covers everything that a call waits for, the look-up of a host
name and a response that comes byte by byte included. The time-outs of blocking sockets cover one wait each.
"""

import asyncio
import functools
import os
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from service.client.async_client import AsyncRequirements

P = ParamSpec("P")
T = TypeVar("T")


class _Runner:
    """An `AsyncRequirements`, and the thread whose event loop runs its calls."""

    def __init__(self, client: AsyncRequirements) -> None:
        self.client = client
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="requirements-client", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread, and return its result."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # if this thread was interrupted

    def close(self) -> None:
        """Close the client and end the thread."""
        self.run(self.client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _blocking(
    method: Callable[Concatenate[AsyncRequirements, P], Coroutine[Any, Any, T]],
) -> "Callable[Concatenate[Requirements, P], T]":
    """A blocking method with the same arguments."""

    @functools.wraps(method)
    def call(self: "Requirements", /, *args: P.args, **kwargs: P.kwargs) -> T:
        runner = self._running()
        return runner.run(method(runner.client, *args, **kwargs))

    return call


def _iterating(
    method: Callable[Concatenate[AsyncRequirements, P], AsyncGenerator[T, None]],
) -> "Callable[Concatenate[Requirements, P], Iterator[T]]":
    """A method with the same arguments that returns an iterator."""

    @functools.wraps(method)
    def iterate(self: "Requirements", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        runner = self._running()
        pages = method(runner.client, *args, **kwargs)
        while True:
            page = runner.run(_next(pages))
            if page is None:
                return
            yield page

    return iterate


async def _next(pages: AsyncGenerator[T, None]) -> T | None:
    return await anext(pages, None)


class Requirements:
    """A client of the requirements service for blocking code, with the arguments and methods of `AsyncRequirements`.

    It may be shared between threads. A process that was forked from the one that made it gets its own connections.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        deadline_seconds: float = 30.0,
        attempt_seconds: float = 12.0,
        max_connections: int = 100,
        encode_params: bool = False,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._new_client = functools.partial(
            AsyncRequirements,
            base_url,
            token,
            deadline_seconds=deadline_seconds,
            attempt_seconds=attempt_seconds,
            max_connections=max_connections,
            encode_params=encode_params,
            ssl_context=ssl_context,
        )
        self._runner: _Runner | None = _Runner(self._new_client())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. The client cannot be used afterwards."""
        runner, self._runner = self._runner, None
        if runner is not None and runner.pid == os.getpid():
            runner.close()

    def _running(self) -> _Runner:
        """What runs the calls in this process. Raises RuntimeError if the client was closed."""
        runner = self._runner
        if runner is None:
            raise RuntimeError("the client was closed")
        if runner.pid != os.getpid():  # a fork copies neither the thread nor the right to use its connections
            self._runner = runner = _Runner(self._new_client())
        return runner

    create = _blocking(AsyncRequirements.create)
    read = _blocking(AsyncRequirements.read)
    index = _iterating(AsyncRequirements.index)
    update = _blocking(AsyncRequirements.update)
    destroy = _blocking(AsyncRequirements.destroy)
    create_many = _blocking(AsyncRequirements.create_many)
    destroy_many = _blocking(AsyncRequirements.destroy_many)
    sync = _blocking(AsyncRequirements.sync)
    closure = _blocking(AsyncRequirements.closure)
    path = _blocking(AsyncRequirements.path)
    changes = _iterating(AsyncRequirements.changes)
