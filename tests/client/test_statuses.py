"""Each status raises its exception, which says what the response said."""

import asyncio
import copy
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service import client as api
from service.api.app import create_app
from service.client import AsyncRequirements, Reference, RequirementsError, StatusError
from service.client.errors import STATUS_ERRORS
from service.config import Config
from service.domain.statuses import STATUSES, ActionSuccessful
from tests.client.gateway import Gateway, answer, forward_with
from tests.conftest import AppClient
from tests.factories import ROUTE, AppRecord, Records
from tests.mail import mandrill_server
from tests.mail.conftest import API_KEY, RECIPIENTS, SENDER

THING = Reference("User", 1)

Connect = Callable[..., AsyncRequirements]


@pytest.fixture
async def connect(service_url: str) -> AsyncIterator[Connect]:
    """Makes a client with a token."""
    made: list[AsyncRequirements] = []

    def connect(token: str, url: str = service_url, **options: Any) -> AsyncRequirements:
        made.append(AsyncRequirements(url, token, **options))
        return made[-1]

    yield connect
    await asyncio.gather(*(client.close() for client in made))


async def raised(call: Awaitable[object]) -> tuple[type[RequirementsError], str]:
    """The exception that a call raises, and its outcome; its attributes are checked."""
    with pytest.raises(StatusError) as caught:
        await call
    error = caught.value
    assert STATUS_ERRORS[str(error.status)] is type(error)
    assert len(error.request_id) == 32
    assert str(error).startswith(f"{error.status}: {error.message}")
    return type(error), error.outcome


def test_every_status_has_its_exception() -> None:
    """There is one exception class for each status of the contract other than success, and no other."""
    assert set(STATUS_ERRORS) == {status.name for status in STATUSES} - {ActionSuccessful.name}
    assert sorted(error.__name__ for error in STATUS_ERRORS.values()) == sorted(
        status.__name__ for status in STATUSES if status is not ActionSuccessful
    )
    assert {error.__name__ for error in STATUS_ERRORS.values()} < set(api.__all__)


async def test_tokens(connect: Connect, records: Records) -> None:
    """Each way not to accept the caller has its exception, for reads and writes."""
    expired = await records.session(age=timedelta(days=8))
    unregistered = await records.session_of(*await records.user())
    cases = {"unknown": api.InvalidToken, expired.token: api.SessionExpired, unregistered.token: api.ClientRequired}
    for token, error in cases.items():
        assert await raised(connect(token).create(THING, THING)) == (error, "none")
        assert await raised(connect(token).read(1)) == (error, "none")


async def test_params(requirements: AsyncRequirements) -> None:
    """A missing and an invalid param raise different exceptions."""
    assert await raised(requirements.update(1)) == (api.MissingParam, "none")
    assert await raised(requirements.create(THING, THING, key="\0")) == (api.InvalidParam, "none")
    assert await raised(requirements.create(THING, THING, idempotency_key="k" * 256)) == (api.InvalidParam, "none")


async def test_what_is_not_deployed(requirements: AsyncRequirements, records: Records) -> None:
    """A route, and a service, that are not deployed raise different exceptions."""
    await records.connection.execute("UPDATE routes SET deployed_at = NULL WHERE action = 'read'")
    await _until(requirements, api.RouteNotFound)
    await records.connection.execute("UPDATE routes SET deployed_at = now()")
    await records.connection.execute("UPDATE services SET deployed_at = NULL")
    await _until(requirements, api.ServiceNotFound)


async def _until(requirements: AsyncRequirements, error: type[StatusError]) -> None:
    """Wait until the service has noticed a change of its registry."""
    async with asyncio.timeout(5):
        while (await raised(requirements.read(1)))[0] is not error:
            pass


async def test_a_wrong_path(connect: Connect, service_url: str, application: AppRecord) -> None:
    """A base URL with a path that the service does not have raises `RouteNonExistent`."""
    client = connect(application.token, f"{service_url}/elsewhere/")
    assert await raised(client.read(1)) == (api.RouteNonExistent, "none")


async def test_bodies_that_were_changed_on_the_way(requirements: AsyncRequirements, gateway: Gateway) -> None:
    """The statuses about the body, which the client does not cause by itself, have their exceptions."""
    cases = {
        api.InvalidContentType: forward_with(headers={"Content-Type": "text/html"}),
        api.NoParamsDecoded: forward_with(data=b"{}"),
        api.InvalidEncodedParams: forward_with(data=b"{"),
    }
    for error, fault in cases.items():
        gateway.faults.append(fault)
        assert await raised(requirements.create(THING, THING)) == (error, "none")


async def test_a_lone_surrogate_is_refused(requirements: AsyncRequirements) -> None:
    """A text that UTF-8 cannot represent raises `InvalidEncodedParams`, not an error of an encoder."""
    assert await raised(requirements.create(THING, THING, value="\ud800")) == (api.InvalidEncodedParams, "none")


async def test_sensitive_params(
    service_url: str, records: Records, application: AppRecord, user: Reference, requirements: AsyncRequirements
) -> None:
    """A route with sensitive params accepts them from a client that encodes them, and refuses them from others."""
    await records.deploy(sensitive_params=True, route=ROUTE)
    async with asyncio.timeout(5):
        while await _is_accepted(requirements, user):
            pass
    async with AsyncRequirements(service_url, application.token, encode_params=True) as client:
        assert (await client.create(user, user, value="✓")).value == "✓"


async def _is_accepted(requirements: AsyncRequirements, user: Reference) -> bool:
    try:
        await requirements.create(user, user)
    except api.InvalidEncodedParams:
        return False
    return True


async def test_a_crash(connect: Connect, records: Records, application: AppRecord, user: Reference) -> None:
    """A crash that lasts until the deadline raises `ApplicationCrash`."""
    await records.connection.execute("ALTER TABLE requirements RENAME TO away")
    client = connect(application.token, deadline_seconds=0.5)
    assert await raised(client.read(1)) == (api.ApplicationCrash, "none")
    assert await raised(client.create(user, user)) == (api.ApplicationCrash, "none")


async def test_a_service_without_a_registry(config: Config, aiohttp_client: AppClient, connect: Connect) -> None:
    """A service that never reached its database raises `IdentifyRequestError` at the deadline."""
    nowhere = replace(config.database, url="postgresql://nobody@127.0.0.1:1/nothing", connect_timeout_seconds=0.1)
    served = await aiohttp_client(create_app(replace(config, database=nowhere)))
    client = connect("token", str(served.make_url("")), deadline_seconds=0.5)
    assert await raised(client.create(THING, THING)) == (api.IdentifyRequestError, "none")


async def test_an_email_that_was_not_accepted(
    config: Config,
    records: Records,
    aiohttp_client: AppClient,
    connect: Connect,
    application: AppRecord,
    user: Reference,
) -> None:
    """`MandrillEmailFailed` has the record, which is committed, and the call is not repeated."""
    async with mandrill_server.running() as mandrill:
        mandrill.behaviour = mandrill_server.answering("rejected")
        settings = replace(
            config.mandrill, api_key=API_KEY, recipients=RECIPIENTS, sender=SENDER, base_url=mandrill.url
        )
        await records.deploy()
        served = await aiohttp_client(create_app(replace(config, mandrill=settings)))
        client = connect(application.token, str(served.make_url("")))
        with pytest.raises(api.MandrillEmailFailed) as caught:
            await client.create(user, user)
        assert caught.value.outcome == "created"
        assert caught.value.requirement == await client.read(1)


@pytest.mark.parametrize("code", [200, 302, 404])
@pytest.mark.parametrize("body", ["<html>", {"status": "fine"}, {"status": "action-successful", "data": {}}, "[]"])
async def test_what_is_not_the_service(
    requirements: AsyncRequirements, gateway: Gateway, code: int, body: object
) -> None:
    """A response that is not of the service raises `InvalidResponse` at once, with what is known."""
    gateway.faults.append(answer(code, body))
    with pytest.raises(api.InvalidResponse, match=f"the response, HTTP {code}, is not of the service") as caught:
        await requirements.create(THING, THING)
    error = caught.value
    assert (error.status, error.outcome, error.errors) == (None, "unknown", ())
    assert [error.request_id] == [received.headers["x-request-id"] for received in gateway.received]


async def test_exceptions_can_be_copied(requirements: AsyncRequirements) -> None:
    """An exception keeps all it says when it is pickled, as between processes, or copied."""
    with pytest.raises(api.InvalidParam) as caught:
        await requirements.read(1)
    for other in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):  # noqa: S301 - our own
        assert type(other) is api.InvalidParam
        assert (str(other), vars(other)) == (str(caught.value), vars(caught.value))


@pytest.mark.parametrize(
    ("url", "token", "message"),
    [
        ("localhost:8080", "token", "base_url must begin with http:// or https://"),
        ("http://localhost", "", "token must be printable ASCII"),
        ("http://localhost", "a\nb", "token must be printable ASCII"),
    ],
)
def test_arguments_that_cannot_work(url: str, token: str, message: str) -> None:
    """A base URL or a token that cannot work is refused when the client is made."""
    with pytest.raises(ValueError, match=message):
        api.Requirements(url, token)


async def test_an_idempotency_key_that_no_header_can_have(requirements: AsyncRequirements) -> None:
    """A key that cannot be sent is refused before anything is sent."""
    with pytest.raises(ValueError, match="idempotency_key must be printable ASCII"):
        await requirements.destroy(1, idempotency_key="ключ")
