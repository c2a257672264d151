"""Sends calls over a pool of HTTP connections, and repeats those that failed for a moment."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

import httpx

from service.client.attempts import Attempts
from service.client.call import Call
from service.client.encoding import encode, header_value
from service.client.errors import NoResponse, RequirementsError
from service.client.responses import data_of, invalid_response

T = TypeVar("T")

PATH = "/api/v1/requirements/"

# Shorter than the service and gateways keep idle connections.
IDLE_CONNECTION_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call and each of its attempts may take, and how many attempts may run at the same time."""

    deadline_seconds: float
    attempt_seconds: float
    max_connections: int


class Sender:
    """Sends calls to one service with one token."""

    def __init__(
        self, base_url: str, token: str, limits: Limits, ssl_context: ssl.SSLContext | None, *, encode_params: bool
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError("base_url must begin with http:// or https://")
        self._url = base_url.rstrip("/") + PATH
        self._limits = limits
        self._encode_params = encode_params
        self._free = asyncio.Semaphore(limits.max_connections)
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {header_value('token', token)}"},
            verify=True if ssl_context is None else ssl_context,
            timeout=None,  # noqa: S113 - `_response` limits the whole attempt, which these timeouts cannot
            limits=httpx.Limits(
                max_connections=limits.max_connections,
                max_keepalive_connections=limits.max_connections,
                keepalive_expiry=IDLE_CONNECTION_SECONDS,
            ),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """The result of the call. Raises a `RequirementsError` if it failed."""
        attempts = Attempts(self._limits.deadline_seconds + call.waits_seconds)
        while True:
            try:
                return await self._attempt(call, attempts)
            except RequirementsError as error:
                pause = attempts.seconds_until_next(error)
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def _attempt(self, call: Call[T], attempts: Attempts) -> T:
        async with self._slot(call, attempts):
            response = await self._response(call, attempts)
        try:
            return call.parse(data_of(call, response.status_code, response.headers, response.content))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise invalid_response(call, response.status_code, response.headers) from error

    @contextlib.asynccontextmanager
    async def _slot(self, call: Call[T], attempts: Attempts) -> AsyncIterator[None]:
        """One of the connections. Waiting for it is not part of an attempt: nothing has been sent then."""
        try:
            async with asyncio.timeout(attempts.seconds_left()):
                await self._free.acquire()
        except TimeoutError as error:
            raise NoResponse("no connection was free before the deadline", (), call.request_id) from error
        try:
            yield
        finally:
            self._free.release()

    async def _response(self, call: Call[T], attempts: Attempts) -> httpx.Response:
        seconds = min(self._limits.attempt_seconds + call.waits_seconds, attempts.seconds_left())
        body, content_type = encode(call.params, as_base64=self._encode_params)
        headers = {"Content-Type": content_type, "X-Request-ID": call.request_id, **call.headers}
        try:
            async with asyncio.timeout(seconds):
                return await self._http.post(self._url + call.action, content=body, headers=headers)
        except httpx.ConnectError as error:
            raise _no_response(f"no connection: {error}", call.request_id, "none") from error
        except httpx.HTTPError as error:
            cause = str(error) or type(error).__name__
            raise _no_response(f"the connection was lost: {cause}", call.request_id, call.lost_outcome) from error
        except TimeoutError as error:
            raise _no_response(f"no response within {seconds:.1f} s", call.request_id, call.lost_outcome) from error


def _no_response(message: str, request_id: str, outcome: str) -> NoResponse:
    error = NoResponse(message, (), request_id, outcome)
    error.is_transient = True
    return error
