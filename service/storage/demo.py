"""Demo records, to try the service with."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from service.database.errors import translate_statement_errors
from service.database.queries import QUERIES
from service.storage.applications import (
    create_application,
    issue_application_token,
    revoke_application_tokens,
    set_application_active,
)
from service.storage.registry import RouteName, deploy_route
from service.storage.sessions import create_session, revoke_user_sessions
from service.storage.users import create_user, find_user, give_role

APPLICATION = "demo"
EMAIL = "demo@example.com"


@dataclass(frozen=True, slots=True)
class Demo:
    """New tokens, and the ids of records to refer to."""

    application_token: str
    session_token: str
    service_id: int
    application_id: int


async def make_demo(connection: asyncpg.Connection, route_names: Sequence[RouteName]) -> Demo:
    """Create the demo records that do not exist, among them requirements; deploy the routes; issue new tokens.

    Earlier tokens are revoked.
    `route_names` must not be empty. `service_id` of the result is the service of the first one.
    """
    with translate_statement_errors():
        async with connection.transaction():
            for name in route_names:
                await deploy_route(connection, name, sensitive_params=False)
            await create_application(connection, APPLICATION, "Demo")
            await set_application_active(connection, APPLICATION, active=True)
            await create_user(connection, EMAIL)
            user_id = await find_user(connection, EMAIL)
            await give_role(connection, user_id or 0, "client")
            await revoke_application_tokens(connection, APPLICATION, None)
            await revoke_user_sessions(connection, EMAIL)
            return await _with_tokens(connection, route_names[0][0])


async def _with_tokens(connection: asyncpg.Connection, service: str) -> Demo:
    ids = await connection.fetchrow(QUERIES["find_demo"], APPLICATION, service, EMAIL)
    application = await issue_application_token(connection, APPLICATION)
    session = await create_session(connection, EMAIL, APPLICATION, remember_me=False)
    assert ids is not None and application is not None and session is not None  # noqa: S101, PT018 - created above
    records = [ids[f"{name}_id"] for name in ("application", "service", "user", "client", "route")]
    await connection.execute(QUERIES["insert_demo_requirements"], *records)
    return Demo(application[1], session[1], ids["service_id"], ids["application_id"])
