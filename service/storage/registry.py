"""The registry: the records of services and routes, and whether each is deployed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import asyncpg

from service.database.errors import translate_statement_errors
from service.database.queries import QUERIES
from service.storage.audit import Changer, NothingChanged, audited
from service.storage.statements import Executor, Rows, fetch, fetch_id

# Short, so that after a lost connection that reported no error, a change still arrives over a new one within 5 s.
LOAD_TIMEOUT_SECONDS = 1.5

RouteName = tuple[str, str, str]  # service, version and action


@dataclass(frozen=True, slots=True)
class Route:
    """A route record, and whether its service is deployed."""

    sensitive_params: bool
    deployed: bool
    service_deployed: bool


Registry = Mapping[RouteName, Route]


async def load_registry(connection: asyncpg.Connection) -> Registry:
    """Every route record by its service, version and action. Raises a `DatabaseError`."""
    with translate_statement_errors():
        rows = await connection.fetch(QUERIES["load_registry"], timeout=LOAD_TIMEOUT_SECONDS)
    return MappingProxyType(
        {
            (row["service"], row["version"], row["action"]): Route(
                row["sensitive_params"], row["deployed"], row["service_deployed"]
            )
            for row in rows
        }
    )


async def list_registry(executor: Executor) -> Rows:
    """Every service with its routes. A service without routes is one row, whose route columns are null."""
    return await fetch(executor, QUERIES["list_registry"])


async def deploy_service(connection: asyncpg.Connection, service: str) -> None:
    """Deploy a service. Its record is created if it does not exist."""
    await fetch(connection, QUERIES["deploy_service"], service)


async def deploy_route(connection: asyncpg.Connection, name: RouteName, *, sensitive_params: bool | None) -> None:
    """Deploy a route and its service. Records that do not exist are created.

    `sensitive_params` None leaves the setting of an existing route record unchanged.
    """
    service, version, action = name
    with translate_statement_errors():
        async with connection.transaction():
            service_id = await connection.fetchval(QUERIES["deploy_service"], service)
            await connection.execute(QUERIES["deploy_route"], service_id, version, action, sensitive_params)


async def deploy_routes(
    connection: asyncpg.Connection, names: Iterable[RouteName], *, sensitive_params: bool | None
) -> None:
    """Deploy several routes in one transaction, as `deploy_route` does."""
    with translate_statement_errors():
        async with connection.transaction():
            for name in names:
                await deploy_route(connection, name, sensitive_params=sensitive_params)


async def withdraw_service(connection: asyncpg.Connection, service: str) -> bool:
    """Withdraw a service. Return whether its record exists."""
    return await fetch_id(connection, QUERIES["withdraw_service"], service) is not None


async def withdraw_route(connection: asyncpg.Connection, name: RouteName) -> bool:
    """Withdraw a route. Return whether its record exists."""
    return await fetch_id(connection, QUERIES["withdraw_route"], *name) is not None


async def withdraw_routes(connection: asyncpg.Connection, names: Iterable[RouteName]) -> list[RouteName]:
    """Withdraw several routes in one transaction. Return those that have a record."""
    with translate_statement_errors():
        async with connection.transaction():
            return [name for name in names if await withdraw_route(connection, name)]


async def forget_route(database: Changer, service: str, version: str, action: str, actor: str) -> bool:
    """Delete the record of a route, with a record of that in the audit by `actor`. Return whether it existed.

    The record of its service is kept. Raises a `DatabaseError`.
    """
    found = False
    async with audited(database, actor, "forget", {"name": f"{service}/{version}/{action}"}) as connection:
        found = await fetch_id(connection, QUERIES["forget_route"], service, version, action) is not None
        if not found:
            raise NothingChanged
    return found


async def forget_service(database: Changer, service: str, actor: str) -> bool:
    """Delete the record of a service that has no routes, as `forget_route` does. Return whether there was one."""
    found = False
    async with audited(database, actor, "forget", {"name": service}) as connection:
        found = await fetch_id(connection, QUERIES["forget_service"], service) is not None
        if not found:
            raise NothingChanged
    return found
