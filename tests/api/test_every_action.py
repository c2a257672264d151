"""Every action answers with every status of the contract, and judges a request in the contract's order."""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from service.api.action import Action
from service.api.actions import ACTIONS
from service.api.app import create_app
from service.config import Config
from service.domain.statuses import (
    ActionSuccessful,
    ApplicationCrash,
    ClientRequired,
    IdentifyRequestError,
    InvalidContentType,
    InvalidEncodedParams,
    InvalidParam,
    InvalidToken,
    MandrillEmailFailed,
    MissingParam,
    NoParamsDecoded,
    RouteNonExistent,
    RouteNotFound,
    ServiceNotFound,
    SessionExpired,
    Status,
)
from service.storage.demo import Demo, make_demo
from service.storage.registry import withdraw_route, withdraw_service
from tests.api.exchange import ApiResponse, read_envelope
from tests.conftest import AppClient, Client
from tests.factories import ROUTES, Records
from tests.proxy import Proxy

JSON = "application/json"


@dataclass(frozen=True)
class Request:
    """A request of an action. By default it succeeds; `changes` are made to its params."""

    token: str | None
    content_type: str = JSON
    body: bytes | None = None
    method: str | None = None
    changes: tuple[tuple[str, object], ...] = ()

    async def send(self, client: Client, action: Action) -> ApiResponse:
        """Send the request; by default the action's example, as the OpenAPI document shows it."""
        sent = action.example | dict(self.changes) | ({} if self.token is None else {"token": self.token})
        body = json.dumps(sent).encode() if self.body is None else self.body
        method = self.method or action.methods[0]
        headers = {"Content-Type": self.content_type}
        return await read_envelope(await client.request(method, action.path, data=body, headers=headers))


@pytest.fixture
async def demo(records: Records) -> Demo:
    """The demo records, on which the example of every action works."""
    return await make_demo(records.connection, ROUTES)


def each_action(status: type[Status]) -> pytest.MarkDecorator:
    """Run a test for each action that can answer with `status`."""
    actions = [action for action in ACTIONS if status in action.statuses]
    return pytest.mark.parametrize("action", actions, ids=[action.name for action in actions])


def test_every_status_is_expected_of_every_action() -> None:
    """All statuses can occur on every action, but mandrill-email-failed only where e-mail is sent before the answer."""
    for action in ACTIONS:
        assert MandrillEmailFailed in action.statuses or not action.sends_email
        assert len(action.statuses) == 14 + action.sends_email


@each_action(ActionSuccessful)
async def test_action_successful(client: Client, demo: Demo, action: Action) -> None:
    """The example of each action works on the demo records, and its outcome is one that the action declares."""
    answer = await Request(demo.application_token).send(client, action)
    assert (answer.code, answer.status) == (200, "action-successful"), answer.body
    assert answer.body["message"] == action.success_message
    if action.writes:
        assert answer.outcome in action.outcomes


@pytest.mark.parametrize(
    ("status", "request_of"),
    [
        pytest.param(status, request_of, id=status.name)
        for status, request_of in (
            (RouteNonExistent, lambda token: Request(token, method="PATCH")),
            (InvalidContentType, lambda token: Request(token, content_type="application/xml")),
            (InvalidEncodedParams, lambda token: Request(token, body=b"{")),
            (NoParamsDecoded, lambda token: Request(token, body=b"{}")),
            (InvalidToken, lambda _: Request("unknown")),
            (MissingParam, lambda _: Request(None)),
            (InvalidParam, lambda token: Request(token, changes=(("session_view", 5),))),
        )
    ],
)
@each_action(ActionSuccessful)
async def test_refused_requests(
    client: Client, demo: Demo, action: Action, status: type[Status], request_of: Callable[[str], Request]
) -> None:
    """Each action reports what is wrong with a request in the same way, and nothing is written."""
    answer = await request_of(demo.application_token).send(client, action)
    assert (answer.code, answer.status) == (status.http_code, status.name)
    assert answer.outcome in (None, "none")


@each_action(SessionExpired)
async def test_refused_sessions(client: Client, records: Records, action: Action) -> None:
    """An expired session, and a user without a role, are refused by each action."""
    expired = await records.session(age=timedelta(days=8))
    assert (await Request(expired.token).send(client, action)).status == SessionExpired.name
    without_role = await records.session_of(*await records.user())
    refused = await Request(without_role.token).send(client, action)
    assert refused.status == ClientRequired.name
    assert refused.body["session"]["id"] == without_role.id


@each_action(RouteNotFound)
async def test_withdrawn_records(client: Client, records: Records, action: Action) -> None:
    """Each action has a route record of its own; all share the service record."""
    request = Request("unknown")
    others = [other for other in ACTIONS if other is not action]
    await withdraw_route(records.connection, action.route)
    await _until(request, client, action, RouteNotFound)
    assert {(await request.send(client, other)).status for other in others} == {InvalidToken.name}
    await make_demo(records.connection, ROUTES)
    await _until(request, client, action, InvalidToken)
    await withdraw_service(records.connection, "requirements")
    await _until(request, client, action, ServiceNotFound)


@each_action(InvalidEncodedParams)
async def test_sensitive_params(client: Client, demo: Demo, records: Records, action: Action) -> None:
    """A route with sensitive params refuses plain params and takes encoded ones."""
    await records.deploy(sensitive_params=True, route=action.route)
    await _until(Request("unknown"), client, action, InvalidEncodedParams)
    encoded = base64.b64encode(json.dumps(action.example | {"token": demo.application_token}).encode())
    answer = await Request(None, "text/plain", encoded).send(client, action)
    assert answer.status == "action-successful", answer.body


async def _until(request: Request, client: Client, action: Action, status: type[Status]) -> None:
    async with asyncio.timeout(5):
        while (await request.send(client, action)).status != status.name:
            pass


@each_action(ApplicationCrash)
async def test_faults_of_the_database(
    config: Config, demo: Demo, aiohttp_client: AppClient, proxy: Proxy, action: Action
) -> None:
    """A database that is away is application-crash, with outcome none on an action that writes, and can be retried."""
    through_proxy = replace(config, database=replace(config.database, url=proxy.url))
    client = await aiohttp_client(create_app(through_proxy))
    await proxy.cut()
    answer = await Request(demo.application_token).send(client, action)
    assert (answer.code, answer.status) == (500, ApplicationCrash.name)
    assert answer.outcome == ("none" if action.writes else None)
    assert answer.headers["Retry-After"] == "1"
    never_loaded = await aiohttp_client(create_app(through_proxy))
    assert (await Request(demo.application_token).send(never_loaded, action)).status == IdentifyRequestError.name


@each_action(MandrillEmailFailed)
async def test_faults_of_mandrill(
    config: Config, demo: Demo, aiohttp_client: AppClient, unused_tcp_port: int, action: Action
) -> None:
    """An e-mail that Mandrill does not accept is mandrill-email-failed; the requirement is written."""
    nobody = f"http://127.0.0.1:{unused_tcp_port}"
    mandrill = replace(
        config.mandrill, api_key="md-key", sender="a@example.com", recipients=("ann@example.com",), base_url=nobody
    )
    client = await aiohttp_client(create_app(replace(config, mandrill=mandrill)))
    answer = await Request(demo.application_token).send(client, action)
    assert (answer.code, answer.status, answer.outcome) == (500, MandrillEmailFailed.name, "created")


# Of two faults at once, the one that is listed first is reported.
FAULTS: list[tuple[type[Status], Callable[[Request], Request]]] = [
    (RouteNonExistent, lambda request: replace(request, method="PATCH")),
    (InvalidContentType, lambda request: replace(request, content_type="application/xml")),
    (InvalidEncodedParams, lambda request: replace(request, body=b"{")),
    (InvalidToken, lambda request: replace(request, token="unknown")),
    (InvalidParam, lambda request: replace(request, changes=(("session_view", 5),))),
]


@pytest.mark.parametrize("first", range(len(FAULTS) - 1), ids=[status.name for status, _ in FAULTS[:-1]])
@each_action(ActionSuccessful)
async def test_the_order_of_judgement(client: Client, demo: Demo, action: Action, first: int) -> None:
    """Each action judges the method, the content type, the encoding, the token and the params in this order."""
    request = Request(demo.application_token)
    for _, spoil in reversed(FAULTS[first:]):
        request = spoil(request)
    assert (await request.send(client, action)).status == FAULTS[first][0].name
