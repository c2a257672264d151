"""Updating `last_used_at` of a session: soon, at most once a minute, and without delaying requests."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg
import pytest

from service.api.app import create_app
from service.config import Config
from tests.api.exchange import post_create, post_create_by, timestamp
from tests.api.waiting import wait_for_lock_waiters, wait_until
from tests.conftest import AppClient, Client
from tests.factories import Records, SessionRecord

HOUR, MINUTE, A_LITTLE = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=5)
LAST_USED = "SELECT last_used_at FROM sessions WHERE id = $1"
TOUCHED = "SELECT last_used_at > now() - interval '30 s' FROM sessions WHERE id = $1"
FAILING_TOUCH = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no touching'; END $$;
CREATE SEQUENCE touches;
CREATE TRIGGER fail BEFORE UPDATE ON sessions FOR EACH ROW WHEN (nextval('touches') > 0) EXECUTE FUNCTION fail();
"""


async def last_used(records: Records, session: SessionRecord) -> datetime:
    """The stored `last_used_at` of the session."""
    moment: datetime = await records.connection.fetchval(LAST_USED, session.id)
    return moment


async def test_a_use_is_recorded_within_300_milliseconds(client: Client, records: Records) -> None:
    """A valid use is committed within 0.3 s of the response, which shows the previous use."""
    session = await records.session(idle=HOUR)
    before = await last_used(records, session)
    response = await post_create_by(client, session, session_view="default")
    await wait_until(records.connection, TOUCHED, session.id, seconds=0.3)
    assert response.body["session"]["last_used_at"] == timestamp(before)
    assert response.body["session"]["expires_at"] == timestamp(before + timedelta(hours=72))


async def test_a_use_that_is_refused_later_is_a_use(client: Client, records: Records) -> None:
    """A request with a valid token counts as a use, even if its params are refused."""
    session = await records.session(idle=HOUR)
    assert (await post_create(client, {"token": session.token})).status == "missing-param"
    await wait_until(records.connection, TOUCHED, session.id, seconds=0.3)


async def test_client_required_is_a_use(client: Client, records: Records) -> None:
    """A request refused with client-required counts as a use."""
    session = await records.session_of(*await records.user(), idle=HOUR)
    assert (await post_create_by(client, session)).status == "client-required"
    await wait_until(records.connection, TOUCHED, session.id, seconds=0.3)


@pytest.mark.parametrize(
    ("idle", "touched"), [(timedelta(0), False), (MINUTE - A_LITTLE, False), (MINUTE, True), (MINUTE + A_LITTLE, True)]
)
async def test_a_session_is_touched_once_a_minute(
    client: Client, records: Records, idle: timedelta, *, touched: bool
) -> None:
    """A use within a minute of the last recorded one is not recorded."""
    session = await records.session(idle=idle)
    before = await last_used(records, session)
    for _ in range(3):
        assert (await post_create_by(client, session)).status == "action-successful"
    await client.close()
    assert (await last_used(records, session) > before) == touched


async def test_the_interval_is_configurable(config: Config, records: Records, aiohttp_client: AppClient) -> None:
    """With an interval of zero every use is recorded."""
    await records.deploy()
    client = await aiohttp_client(
        create_app(replace(config, sessions=replace(config.sessions, touch_interval_seconds=0)))
    )
    session = await records.session()
    for _ in range(3):
        before = await last_used(records, session)
        await post_create_by(client, session)
        await wait_until(records.connection, "SELECT last_used_at > $2 FROM sessions WHERE id = $1", session.id, before)


@pytest.mark.parametrize(
    ("age", "idle", "revoked"),
    [(timedelta(days=8), HOUR, False), (timedelta(days=4), timedelta(hours=73), False), (timedelta(0), HOUR, True)],
)
async def test_an_ended_session_is_not_touched(
    client: Client, records: Records, age: timedelta, idle: timedelta, *, revoked: bool
) -> None:
    """A request with an expired or revoked session is not recorded as a use."""
    session = await records.session(age=age, idle=idle)
    await records.connection.execute("UPDATE sessions SET revoked_at = now() WHERE $1", revoked)
    before = await last_used(records, session)
    assert (await post_create_by(client, session)).code == 401
    await client.close()
    assert await last_used(records, session) == before


async def test_a_locked_row_is_skipped(
    config: Config, client: Client, records: Records, other: asyncpg.Connection, aiohttp_client: AppClient
) -> None:
    """A locked session row is skipped without waiting; the next use is recorded."""
    session = await records.session(idle=HOUR)
    async with other.transaction():
        await other.execute("SELECT FROM sessions FOR UPDATE")
        assert (await post_create_by(client, session)).status == "action-successful"
        async with asyncio.timeout(config.database.lock_timeout_seconds / 2):
            await client.close()
        assert not await records.connection.fetchval(TOUCHED, session.id)
    await post_create_by(await aiohttp_client(create_app(config)), session)
    await wait_until(records.connection, TOUCHED, session.id)


async def test_a_waiting_touch_delays_no_request(client: Client, records: Records, other: asyncpg.Connection) -> None:
    """While an update waits for a table lock requests are answered; every use is recorded later."""
    sessions = [await records.session(idle=HOUR) for _ in range(3)]
    async with other.transaction():
        await other.execute("LOCK TABLE sessions IN SHARE MODE")
        assert (await post_create_by(client, sessions[0])).status == "action-successful"
        await wait_for_lock_waiters(records.connection)
        assert {(await post_create_by(client, session)).status for session in sessions} == {"action-successful"}
    for session in sessions:
        await wait_until(records.connection, TOUCHED, session.id)


async def test_a_touch_that_fails_fails_no_request(client: Client, records: Records) -> None:
    """An error while recording a use fails no request, and the next use is recorded."""
    session = await records.session(idle=HOUR)
    await records.connection.execute(FAILING_TOUCH)
    assert (await post_create_by(client, session)).status == "action-successful"
    await wait_until(records.connection, "SELECT is_called FROM touches")
    assert (await post_create_by(client, session)).status == "action-successful"
    assert not await records.connection.fetchval(TOUCHED, session.id)
    await records.connection.execute("DROP TRIGGER fail ON sessions")
    assert (await post_create_by(client, session)).status == "action-successful"
    await wait_until(records.connection, TOUCHED, session.id)


async def test_only_the_session_used_is_touched(client: Client, records: Records) -> None:
    """A use does not update other sessions of the same user."""
    session = await records.session(idle=HOUR)
    sibling = await records.session_of(session.user_id, session.email, idle=HOUR)
    before = await last_used(records, sibling)
    await post_create_by(client, session)
    await wait_until(records.connection, TOUCHED, session.id)
    assert await last_used(records, sibling) == before
