"""The callers of a load, and the records their requirements refer to."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from tests.factories import Records


@dataclass(frozen=True, slots=True)
class Caller:
    """A token, and the ids stored with this caller's requirements. `name` is safe to print."""

    name: str
    token: str
    application_id: int | None = None
    user_id: int | None = None
    session_id: int | None = None


@dataclass(frozen=True, slots=True)
class Population:
    """The callers of a load, and the references (type, id) its requirements use."""

    callers: Sequence[Caller]
    references: Sequence[tuple[str, int]]


async def new_application(records: Records) -> Caller:
    """Create an application with a token."""
    made = await records.application()
    return Caller(f"application {made.id}", made.token, application_id=made.id)


async def new_session(records: Records, application_id: int | None = None) -> Caller:
    """Create a client's session, in an application or in none."""
    made = await records.session("client", application_id=application_id)
    return Caller(f"session {made.id}", made.token, application_id, made.user_id, made.id)


async def populate(connection: asyncpg.Connection, applications: int = 8, sessions: int = 24) -> Population:
    """Create callers in a migrated database, and deploy the route."""
    records = Records(connection)
    await records.deploy()
    machines = [await new_application(records) for _ in range(applications)]
    opened_in = [None, *(machine.application_id for machine in machines)]
    people = [await new_session(records, opened_in[number % len(opened_in)]) for number in range(sessions)]
    references = [("Application", machine.application_id or 0) for machine in machines]
    references += [("User", person.user_id or 0) for person in people]
    return Population([*machines, *people], references)
