"""Users and their roles."""

import asyncpg

from service.database.queries import QUERIES
from service.storage.statements import fetch, fetch_id

ROLES = ("client", "employee", "liaison")


async def create_user(connection: asyncpg.Connection, email: str) -> int | None:
    """Create a user. Return its id, or None if the e-mail address is taken."""
    return await fetch_id(connection, QUERIES["create_user"], email)


async def find_user(connection: asyncpg.Connection, email: str) -> int | None:
    """The id of the user with an e-mail address, or None if there is no such user."""
    return await fetch_id(connection, QUERIES["find_user"], email)


async def give_role(connection: asyncpg.Connection, user_id: int, role: str) -> None:
    """Give a user one of `ROLES`. Nothing changes if the user has it."""
    queries = {
        "client": QUERIES["make_client"],
        "employee": QUERIES["make_employee"],
        "liaison": QUERIES["make_liaison"],
    }
    await fetch(connection, queries[role], user_id)
