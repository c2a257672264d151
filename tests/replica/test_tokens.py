"""Tokens of reads: the server that answers judges them, and no caller is refused because a replica is behind."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from service.api.action import Action
from service.api.app import create_app
from service.config import Config
from service.domain.statuses import ClientRequired, InvalidParam, InvalidToken, SessionExpired
from tests.api.exchange import refusal
from tests.api.waiting import wait_until
from tests.conftest import AppClient, Client
from tests.factories import AppRecord, Records
from tests.replica.conftest import Cluster, with_lag
from tests.replica.reading import PRIMARY, READS, REPLICA, post, server, settled

LAST_USED_IS_NOW = "SELECT last_used_at > now() - interval '1 minute' FROM sessions WHERE id = $1"


async def test_a_new_token_is_accepted_at_once(patient: Client, cluster: Cluster, records: Records) -> None:
    """The primary judges a token that the replica does not know, and then answers."""
    async with cluster.paused():
        application = await records.application()
        assert server(await post(patient, "index", application.token)) == PRIMARY
    assert server(await post(patient, "index", application.token)) == REPLICA


async def test_an_activated_application_is_accepted_at_once(
    patient: Client, cluster: Cluster, application: AppRecord
) -> None:
    """The primary judges a token that the replica would refuse."""
    await cluster.connection.execute("UPDATE applications SET active = false WHERE id = $1", application.id)
    async with cluster.paused():
        await cluster.connection.execute("UPDATE applications SET active = true WHERE id = $1", application.id)
        assert server(await post(patient, "index", application.token)) == PRIMARY


async def test_refusals_are_those_of_the_primary(client: Client, cluster: Cluster, records: Records) -> None:
    """Every refusal of a token is as without a replica, and is not said to be from one."""
    expired = await records.session(age=timedelta(days=8))
    without_role = await records.session()
    await cluster.connection.execute("DELETE FROM clients WHERE user_id = $1", without_role.user_id)
    await cluster.caught_up()
    for token, status in (("unknown", InvalidToken), (expired.token, SessionExpired)):
        answer = await post(client, "index", token)
        assert answer.code_and_body == refusal(status)
        assert "X-Read-From" not in answer.headers
    answer = await post(client, "index", without_role.token)
    assert (answer.status, answer.body["session"]["id"]) == (ClientRequired.name, without_role.id)


async def test_a_revoked_token_is_refused_within_the_lag(
    config: Config, cluster: Cluster, application: AppRecord, aiohttp_client: AppClient
) -> None:
    """A replica that is behind accepts a revoked token, but not for longer than it may be behind."""
    seconds = 0.4
    client = await settled(await aiohttp_client(create_app(with_lag(config, seconds))))
    async with cluster.paused():
        assert server(await post(client, "index", application.token)) == REPLICA
        revoke = "UPDATE application_tokens SET revoked_at = now() WHERE application_id = $1"
        await cluster.connection.execute(revoke, application.id)
        revoked_at, refused = time.monotonic(), False
        assert (await post(client, "index", application.token, fresh=True)).status == InvalidToken.name
        async with asyncio.timeout(20):
            while not refused:
                sent_at = time.monotonic()
                refused = (await post(client, "index", application.token)).status == InvalidToken.name
                assert refused or sent_at - revoked_at <= seconds


async def test_the_use_of_a_session_is_recorded_on_the_primary(
    client: Client, cluster: Cluster, records: Records
) -> None:
    """A session that only reads, from a replica, does not expire."""
    session = await records.session(idle=timedelta(hours=70))
    await cluster.caught_up()
    assert server(await post(client, "index", session.token)) == REPLICA
    await wait_until(cluster.connection, LAST_USED_IS_NOW, session.id)


async def test_a_client_sees_its_own_on_a_replica(client: Client, cluster: Cluster, records: Records) -> None:
    """The replica shows a session whose user is only a client the requirements of this user."""
    reader, other = await records.session(), await records.session()
    for session in (reader, other):
        reference = {"type": "User", "id": session.user_id}
        await post(client, "create", session.token, required=reference, requireable=reference, value=session.email)
    await cluster.caught_up()
    answer = await post(client, "index", reader.token)
    assert server(answer) == REPLICA
    assert [record["value"] for record in answer.data["results"]] == [reader.email]


@pytest.mark.parametrize("action", READS, ids=[action.name for action in READS])
async def test_params_are_judged_after_the_token(client: Client, application: AppRecord, action: Action) -> None:
    """With a replica, too, only a caller with a good token learns which params are wrong."""
    sent: dict[str, Any] = {**action.example, "fresh": "yes"}
    assert (await post(client, action.name, "unknown", **sent)).code_and_body == refusal(InvalidToken)
    problem = ("fresh", "must be true or false")
    answer = await post(client, action.name, application.token, **sent)
    assert answer.code_and_body == refusal(InvalidParam, problem)
