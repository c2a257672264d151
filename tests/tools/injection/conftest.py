"""Fixtures: an injector, and a harness for each kind of caller."""

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
from tests.serving.process import until
from tests.tools.injection.calls import KINDS, Owner
from tests.tools.injection.harness import Harness, RequestTracker
from tests.tools.injection.injector import Injector

# The driver's timeout exceeds the server's by this much.
CLIENT_GRACES = ("service.database.pool.CLIENT_GRACE_SECONDS", "service.database.connection.CLIENT_GRACE_SECONDS")

# Pauses between retries and before crash notifications; shortened, since there are hundreds of cases.
PAUSES = (
    "service.api.crash_notifier.PAUSE_SECONDS",
    "service.mail.outbox.SETTLE_PAUSE_SECONDS",
    "service.api.requirement_writer.RETRY_PAUSE_SECONDS",
    "service.database.errors.FIRST_RETRY_PAUSE_SECONDS",
)

MakeHarness = Callable[..., Awaitable[Harness]]


@pytest.fixture
async def mandrill() -> AsyncIterator[MandrillServer]:
    """A Mandrill that accepts everything."""
    async with running() as server:
        yield server


@pytest.fixture
def injector(monkeypatch: pytest.MonkeyPatch, mandrill: MandrillServer) -> Injector:
    """An injector that patches the driver and the HTTP client."""
    injector = Injector()
    injector.patch(monkeypatch, mandrill.url)
    for pause in PAUSES:
        monkeypatch.setattr(pause, 0.001, raising=False)
    return injector


@pytest.fixture
def make_harness(
    config: Config,
    records: Records,
    aiohttp_client: AppClient,
    injector: Injector,
    mandrill: MandrillServer,
    monkeypatch: pytest.MonkeyPatch,
) -> MakeHarness:
    """Return a function that serves one kind of caller and call.

    `limits` are settings of the database, `request_seconds` is the request timeout, `outermost` an extra middleware.
    """

    async def harness(
        *,
        caller: str,
        action: str = "create",
        emails: bool = False,
        request_seconds: float = 10.0,
        limits: Any = None,
        outermost: Middleware | None = None,
        **setup: Any,
    ) -> Harness:
        await records.deploy()
        if limits:
            for grace in CLIENT_GRACES:
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
        app, tracker = create_app(settings), RequestTracker()
        for middleware in filter(None, (outermost, tracker.middleware())):
            app.middlewares.insert(0, middleware)
        client = await aiohttp_client(app)
        # With short timeouts, the first load may fail on a busy machine.
        await until(lambda: app[keys.REGISTRY].loaded)
        if emails:
            app[keys.DISPATCHER].stop()
        user_id, _ = await records.user()
        if caller == "application":
            application = await records.application()
            token, owner = application.token, Owner(user_id, application.id, None, None)
        else:
            session = await records.session()
            token, owner = session.token, Owner(user_id, None, session.user_id, session.id)
        made = Harness(
            client,
            injector,
            tracker,
            records.connection,
            token,
            owner,
            KINDS[action],
            emails=emails,
            attempts=3 if limits else 1,
            **setup,
        )
        await made.begin()
        return made

    return harness
