"""Authentication comes before the handler: a handler that forgets the caller writes nothing for a rejected one."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from aiohttp import web

from service.api import keys
from service.api.action import Action
from service.api.actions import ACTIONS
from service.api.app import create_app
from service.api.envelope import respond
from service.config import Config
from service.domain.statuses import ActionSuccessful
from tests.api.exchange import ApiResponse
from tests.conftest import AppClient
from tests.factories import AppRecord, Records

Handler = Callable[[web.Request], Awaitable[web.Response]]

INSERT = "INSERT INTO services (name) VALUES ('written by a handler') RETURNING id"
(CREATE,) = (action for action in ACTIONS if action.name == "create")
FORGETFUL = replace(CREATE, name="forgetful", statement_judges_token=False, outcomes=("created", "none", "unknown"))


async def write_for_anyone(request: web.Request) -> web.Response:
    """A handler that writes and answers without asking who the caller is."""
    await request.app[keys.READ_DATABASE].fetch(INSERT)
    return respond(request, ActionSuccessful(outcome="created"))


async def write_for_the_caller(request: web.Request) -> web.Response:
    """A handler that takes the caller from the request, as it must, and writes."""
    caller = request[keys.CALLER]
    await request.app[keys.READ_DATABASE].fetch(INSERT)
    assert caller.application is not None
    return respond(request, ActionSuccessful(data={"caller": caller.application.slug}, outcome="created"))


async def call(
    action: Action, handler: Handler, token: str, config: Config, records: Records, aiohttp_client: AppClient
) -> tuple[ApiResponse, int]:
    """The answer of a deployed `action` that `handler` carries out, and how many rows the handler wrote."""
    action = replace(action, handler=handler)
    await records.deploy(route=action.route)
    client = await aiohttp_client(create_app(config, actions=[action]))
    response = await client.post(action.path, json={"token": token})
    count = await records.connection.fetchval("SELECT count(*) FROM services WHERE name = 'written by a handler'")
    return ApiResponse(response.status, await response.json(), response.headers), count


@pytest.mark.parametrize("handler", [write_for_anyone, write_for_the_caller])
async def test_a_rejected_caller_does_not_reach_a_handler(
    handler: Handler, config: Config, records: Records, aiohttp_client: AppClient
) -> None:
    """A new writing action that forgets to ask for the caller writes nothing for an unknown token."""
    answer, written = await call(FORGETFUL, handler, "unknown", config, records, aiohttp_client)
    assert (answer.code, answer.status, answer.outcome, written) == (401, "invalid-token", "none", 0)


@pytest.mark.parametrize("handler", [write_for_anyone, write_for_the_caller])
async def test_an_accepted_caller_reaches_the_handler(
    handler: Handler, config: Config, records: Records, application: AppRecord, aiohttp_client: AppClient
) -> None:
    """With a valid token the same handlers run: the test above can fail."""
    answer, written = await call(FORGETFUL, handler, application.token, config, records, aiohttp_client)
    assert (answer.code, answer.status, written) == (200, "action-successful", 1)


async def test_a_handler_without_a_verdict_has_no_caller(
    config: Config, records: Records, aiohttp_client: AppClient
) -> None:
    """If the action's own statement is to judge the token, a handler that forgets it fails before it can write."""
    action = replace(FORGETFUL, statement_judges_token=True)
    answer, written = await call(action, write_for_the_caller, "unknown", config, records, aiohttp_client)
    assert (answer.code, answer.status, written) == (500, "application-crash", 0)


async def test_a_crash_of_a_reading_action_is_never_unknown(
    config: Config, records: Records, application: AppRecord, aiohttp_client: AppClient
) -> None:
    """An action that does not write has no outcome header, and its crash can be retried."""

    async def fail(_request: web.Request) -> web.Response:
        raise RuntimeError

    action = replace(FORGETFUL, outcomes=())
    answer, _ = await call(action, fail, application.token, config, records, aiohttp_client)
    assert (answer.status, answer.outcome, answer.headers["Retry-After"]) == ("application-crash", None, "1")
