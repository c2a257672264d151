"""Records to try the service with."""

from dataclasses import dataclass

import asyncpg

from service.database.errors import translate_statement_errors
from service.database.queries import QUERIES
from service.storage import operating

APPLICATION = "demo"
EMAIL = "demo@example.com"
ROUTE = ("requirements", "v1", "create")


@dataclass(frozen=True, slots=True)
class Demo:
    """Fresh tokens, and the ids of records to refer to."""

    application_token: str
    session_token: str
    service_id: int
    application_id: int


async def make_demo(connection: asyncpg.Connection) -> Demo:
    """Make the demo's records where they are missing, and its tokens anew: earlier ones are revoked."""
    with translate_statement_errors():
        async with connection.transaction():
            await operating.deploy_route(connection, ROUTE, sensitive_params=False)
            await operating.create_application(connection, APPLICATION, "Demo")
            await operating.set_application_active(connection, APPLICATION, active=True)
            await operating.create_user(connection, EMAIL)
            user_id = await operating.find_user(connection, EMAIL)
            await operating.give_role(connection, user_id or 0, "client")
            await operating.revoke_application_tokens(connection, APPLICATION, None)
            await operating.revoke_user_sessions(connection, EMAIL)
            return await _with_tokens(connection)


async def _with_tokens(connection: asyncpg.Connection) -> Demo:
    ids = await connection.fetchrow(QUERIES["find_demo"], APPLICATION, ROUTE[0])
    application = await operating.issue_application_token(connection, APPLICATION)
    session = await operating.create_session(connection, EMAIL, APPLICATION, remember_me=False)
    assert ids is not None and application is not None and session is not None  # noqa: S101, PT018 - just made
    return Demo(application[1], session[1], ids["service_id"], ids["application_id"])
