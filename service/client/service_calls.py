"""How the client calls the service: what each kind of call carries."""

import secrets
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Self, TypeVar

from service.client.batch_results import BatchResult, batch_result_of
from service.client.call import Call
from service.client.encoding import header_value
from service.client.params import Params, given
from service.client.sender import Limits, Sender

T = TypeVar("T")


class ServiceCalls:
    """Calls of one service with one token; `AsyncRequirements` has the actions, and describes the arguments."""

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
        limits = Limits(deadline_seconds, attempt_seconds, max_connections)
        self._sender = Sender(base_url, token, limits, ssl_context, encode_params=encode_params)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. The client cannot be used afterwards."""
        await self._sender.close()

    async def _read(
        self, action: str, params: Params, parse: Callable[[Any], T], *, fresh: bool, read_after: str | None
    ) -> T:
        headers = {} if read_after is None else {"X-Read-After": header_value("read_after", read_after)}
        call = Call(action, params | given(fresh=fresh or None), parse, headers=headers)
        return await self._sender.send(call)

    async def _write(self, action: str, params: Params, parse: Callable[[Any], T], idempotency_key: str | None) -> T:
        call = Call(action, params, parse, writes=True, headers=_key_header(idempotency_key))
        return await self._sender.send(call)

    async def _batch(self, action: str, params: Params, idempotency_key: str | None) -> BatchResult:
        request_id = secrets.token_hex(16)
        parse = partial(batch_result_of, request_id)
        headers = _key_header(idempotency_key)
        return await self._sender.send(Call(action, params, parse, writes=True, headers=headers, request_id=request_id))


def _key_header(idempotency_key: str | None) -> dict[str, str]:
    key = secrets.token_hex(16) if idempotency_key is None else idempotency_key
    return {"Idempotency-Key": header_value("idempotency_key", key)}
