"""Fixtures: the client, a gateway that fails on command, and the service behind it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Protocol

import pytest

from service.client import AsyncRequirements, Reference, Requirements
from tests.client.gateway import Gateway, gateway_to
from tests.conftest import Client
from tests.factories import AppRecord
from tests.serving.conftest import demo as demo  # noqa: PLC0414 - a fixture
from tests.serving.conftest import made as made  # noqa: PLC0414 - as above
from tests.serving.conftest import postgres as postgres  # noqa: PLC0414 - as above


class Calling(Protocol):
    """Calls a method of a client by name; for an iterator, returns the list of all that it yields."""

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Call the method `name`."""
        ...


@pytest.fixture
def service_url(client: Client) -> str:
    """The base URL of the service, with all routes deployed."""
    return str(client.make_url("")).rstrip("/")


@pytest.fixture
async def gateway(service_url: str) -> AsyncIterator[Gateway]:
    """A gateway in front of the service."""
    async with gateway_to(service_url) as gateway:
        yield gateway


@pytest.fixture
async def requirements(gateway: Gateway, application: AppRecord) -> AsyncIterator[AsyncRequirements]:
    """A client of the service behind the gateway, with an application's token."""
    async with AsyncRequirements(gateway.url, application.token) as client:
        yield client


@pytest.fixture(params=["async", "sync"])
async def call(request: pytest.FixtureRequest, service_url: str, application: AppRecord) -> AsyncIterator[Calling]:
    """Calls the methods of each of the two clients."""
    if request.param == "async":
        async with AsyncRequirements(service_url, application.token) as client:
            yield calling_async(client)
    else:
        with Requirements(service_url, application.token) as blocking:
            yield calling_sync(blocking)


def calling_async(client: AsyncRequirements) -> Calling:
    """Calls methods of the client for asyncio."""

    async def call(name: str, *args: Any, **kwargs: Any) -> Any:
        called = getattr(client, name)(*args, **kwargs)
        return [page async for page in called] if hasattr(called, "__aiter__") else await called

    return call


def calling_sync(client: Requirements) -> Calling:
    """Calls methods of the blocking client, in a thread: the service runs in this one."""

    def in_thread(name: str, *args: Any, **kwargs: Any) -> Any:
        called = getattr(client, name)(*args, **kwargs)
        return list(called) if hasattr(called, "__next__") else called

    async def call(name: str, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(in_thread, name, *args, **kwargs)

    return call


@pytest.fixture
def user(user_id: int) -> Reference:
    """A user to refer to."""
    return Reference("User", user_id)


@pytest.fixture
def app(application: AppRecord) -> Reference:
    """The calling application, to refer to."""
    return Reference("Application", application.id)
