"""Changes that others make in the database while the service serves: each is to count at once, and break nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from service.storage import applications, registry, sessions
from tests.factories import ROUTE, Records
from tests.tools.ledger.callers import Caller, new_application, new_session
from tests.tools.ledger.faults.kinds import fault, repeating
from tests.tools.ledger.scene import Scene

# What the contract gives a change of the registry to reach every worker.
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
async def migrate(scene: Scene) -> AsyncIterator[None]:
    """A column added and dropped, indexes built and rebuilt, a type changed and changed back."""
    await scene.execute(*MIGRATION)
    yield


@contextlib.asynccontextmanager
async def _calling(scene: Scene, *callers: Caller) -> AsyncIterator[None]:
    """Calls by these callers meanwhile."""

    async def call() -> None:
        requests = [scene.load.requests.make(caller=caller) for caller in callers for _ in range(4)]
        await asyncio.gather(*(scene.load.attempt(request, scene.load.wire()) for request in requests))

    async with repeating(call, 0.005):
        yield


@fault(0.5, unknowns=0)
async def revoke_a_session(scene: Scene) -> AsyncIterator[None]:
    """A session is revoked: from the commit on its token is nobody's, in every worker."""
    async with scene.connection() as connection:
        caller = await new_session(Records(connection))
        async with _calling(scene, caller):
            began = scene.history.now
            await sessions.revoke_session(connection, caller.session_id or 0)
            scene.history.rule(caller.name, "invalid-token", began, must=False)
            scene.history.rule(caller.name, "invalid-token", scene.history.now, must=True)
            yield


@fault(0.5, unknowns=0)
async def rotate_a_token(scene: Scene) -> AsyncIterator[None]:
    """An application gets a new token, and then the old one is revoked."""
    async with scene.connection() as connection:
        old = await new_application(Records(connection))
        slug = await connection.fetchval("SELECT slug FROM applications WHERE id = $1", old.application_id)
        issued = await applications.issue_application_token(connection, slug)
        assert issued
        new = Caller(f"{old.name}, new token", issued[1], old.application_id)
        async with _calling(scene, old, new):
            began = scene.history.now
            first = "SELECT min(id) FROM application_tokens WHERE application_id = $1"
            token_id = await connection.fetchval(first, old.application_id)
            await applications.revoke_application_tokens(connection, slug, token_id)
            scene.history.rule(old.name, "invalid-token", began, must=False)
            scene.history.rule(old.name, "invalid-token", scene.history.now, must=True)
            yield


@fault(2, unknowns=0)
async def withdraw_the_route(scene: Scene) -> AsyncIterator[None]:
    """The route is withdrawn and deployed again: either counts within a second, in every worker."""
    async with scene.connection() as connection:
        history = scene.history
        began = history.now
        await registry.withdraw_route(connection, ROUTE)
        withdrawn = history.now
        yield
        history.rule("everyone", "route-not-found", withdrawn + REGISTRY_SECONDS, history.now, must=True)
        await registry.deploy_route(connection, ROUTE, sensitive_params=False)
        history.rule("everyone", "route-not-found", began, history.now + REGISTRY_SECONDS, must=False)
