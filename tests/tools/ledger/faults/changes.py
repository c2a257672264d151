"""Changes to the database while the service runs: each must take effect at once and cause no errors."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from service.storage import applications, registry, sessions
from tests.factories import ROUTES, Records
from tests.tools.ledger.callers import Caller, new_application, new_session
from tests.tools.ledger.faults.fault import fault, repeating
from tests.tools.ledger.system import SystemUnderTest

# The contract allows a registry change this long to reach every worker.
REGISTRY_SECONDS = 1.0

MIGRATION = (
    "ALTER TABLE requirements ADD COLUMN IF NOT EXISTS extra integer NOT NULL DEFAULT 5",
    "REINDEX INDEX CONCURRENTLY requirements_request_uid_key",
    "CREATE INDEX CONCURRENTLY requirements_extra_idx ON requirements (extra)",
    "ALTER TABLE requirements ALTER COLUMN key TYPE varchar(255)",
    "DROP INDEX CONCURRENTLY requirements_extra_idx",
    "ALTER TABLE requirements ALTER COLUMN key TYPE text",
    "ALTER TABLE requirements DROP COLUMN extra",
)


@fault(0, long=5)
async def migrate(system: SystemUnderTest) -> AsyncIterator[None]:
    """Add and drop a column, build and rebuild indexes, change a type and change it back."""
    await system.execute(*MIGRATION)
    yield


@contextlib.asynccontextmanager
async def _calls_by(system: SystemUnderTest, *callers: Caller) -> AsyncIterator[None]:
    """Send creates and lists by these callers until the context ends."""

    async def call() -> None:
        made = system.load.requests
        requests = [made.make(caller=caller) for caller in callers for _ in range(4)]
        requests += [made.index(caller) for caller in callers]
        await asyncio.gather(*(system.load.attempt(request, system.load.http_client()) for request in requests))

    async with repeating(call, 0.005):
        yield


@fault(0.5, unknowns_per_second=0)
async def revoke_a_session(system: SystemUnderTest) -> AsyncIterator[None]:
    """Revoke a session: from the commit on, every worker must refuse its token."""
    async with system.connection() as connection:
        caller = await new_session(Records(connection))
        async with _calls_by(system, caller):
            began = system.history.now
            await sessions.revoke_session(connection, caller.session_id or 0)
            system.history.rule(caller.name, "invalid-token", began, must=False)
            system.history.rule(caller.name, "invalid-token", system.history.now, must=True)
            yield


@fault(0.5, unknowns_per_second=0)
async def rotate_a_token(system: SystemUnderTest) -> AsyncIterator[None]:
    """Issue a new token for an application, then revoke the old one."""
    async with system.connection() as connection:
        old = await new_application(Records(connection))
        slug = await connection.fetchval("SELECT slug FROM applications WHERE id = $1", old.application_id)
        issued = await applications.issue_application_token(connection, slug)
        assert issued
        new = Caller(f"{old.name}, new token", issued[1], old.application_id)
        async with _calls_by(system, old, new):
            began = system.history.now
            first = "SELECT min(id) FROM application_tokens WHERE application_id = $1"
            token_id = await connection.fetchval(first, old.application_id)
            await applications.revoke_application_tokens(connection, slug, token_id)
            system.history.rule(old.name, "invalid-token", began, must=False)
            system.history.rule(old.name, "invalid-token", system.history.now, must=True)
            yield


@fault(2, unknowns_per_second=0)
async def withdraw_the_route(system: SystemUnderTest) -> AsyncIterator[None]:
    """Withdraw all routes and deploy them again: each change reaches every worker within a second."""
    async with system.connection() as connection:
        history = system.history
        began = history.now
        for route in ROUTES:
            await registry.withdraw_route(connection, route)
        withdrawn = history.now
        yield
        history.rule("everyone", "route-not-found", withdrawn + REGISTRY_SECONDS, history.now, must=True)
        for route in ROUTES:
            await registry.deploy_route(connection, route, sensitive_params=False)
        history.rule("everyone", "route-not-found", began, history.now + REGISTRY_SECONDS, must=False)
