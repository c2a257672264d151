"""The stage for each kind of caller."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.typedefs import Middleware

from service.api import keys
from service.api.app import create_app
from service.config import Config
from tests.conftest import AppClient
from tests.factories import Records
from tests.mail.conftest import API_KEY, RECIPIENTS, SENDER
from tests.mail.mandrill_server import MandrillServer, running
from tests.tools.injection.injector import Injector
from tests.tools.injection.stage import Doorkeeper, Stage

# The driver's own limit stands this much behind the server's.
GRACES = ("service.database.pool.CLIENT_GRACE_SECONDS", "service.database.connection.CLIENT_GRACE_SECONDS")

# Between attempts, and before crashes are told to the team: hundreds of cases need not wait for a server to come back.
PAUSES = (
    "service.api.crash_notifier.PAUSE_SECONDS",
    "service.mail.outbox.SETTLE_PAUSE_SECONDS",
    "service.api.requirement_writer.RETRY_PAUSE_SECONDS",
)

SetStage = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def mandrill() -> AsyncIterator[MandrillServer]:
    """A Mandrill that accepts everything."""
    async with running() as server:
        yield server


@pytest.fixture
def injector(monkeypatch: pytest.MonkeyPatch, mandrill: MandrillServer) -> Injector:
    """An injector in place."""
    injector = Injector()
    injector.patch(monkeypatch, mandrill.url)
    for pause in PAUSES:
        monkeypatch.setattr(pause, 0.001, raising=False)
    return injector


@pytest.fixture
def set_stage(
    config: Config,
    records: Records,
    aiohttp_client: AppClient,
    injector: Injector,
    mandrill: MandrillServer,
    monkeypatch: pytest.MonkeyPatch,
) -> SetStage:
    """Serve a kind of caller: `limits` are settings of the database, `request_seconds` is a request's time."""

    async def stage(
        *,
        caller: str,
        emails: bool = False,
        request_seconds: float = 10.0,
        limits: Any = None,
        outermost: Middleware | None = None,
        **ways: Any,
    ) -> Stage:
        await records.deploy()
        if limits:
            for grace in GRACES:
                monkeypatch.setattr(grace, 0.1, raising=False)
            injector.limit_seconds = limits["statement_timeout_seconds"] + 0.1
        settings = replace(
            config,
            database=replace(config.database, **{"pool_size": 3, **(limits or {})}),
            server=replace(config.server, request_timeout_seconds=request_seconds),
            sessions=replace(config.sessions, touch_interval_seconds=0),
            mandrill=replace(
                config.mandrill, api_key=API_KEY, recipients=RECIPIENTS[:1], sender=SENDER, base_url=mandrill.url
            )
            if emails
            else config.mandrill,
        )
        app, doorkeeper = create_app(settings), Doorkeeper()
        for middleware in filter(None, (outermost, doorkeeper.middleware())):
            app.middlewares.insert(0, middleware)
        client = await aiohttp_client(app)
        if emails:
            app[keys.DISPATCHER].stop()
        record = await (records.application() if caller == "application" else records.session())
        user_id, _ = await records.user()
        made = Stage(client, injector, doorkeeper, records.connection, record.token, user_id, emails=emails, **ways)
        await made.begin()
        return made

    return stage
