"""What the database holds, as far as it decides about answers: who may call, and what there is to refer to."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from service.config import load_config
from service.domain.callers import digest
from tests.factories import Records

Caller = Literal["application", "session", "expired", "without-role"]


@dataclass(frozen=True)
class World:
    """`callers` are those behind tokens: any other token is nobody's, and `dead_tokens` no longer anyone's.

    `ids` are the records of each association type.
    """

    callers: Mapping[str, Caller]
    dead_tokens: tuple[str, ...]
    ids: Mapping[str, frozenset[int]]

    @property
    def token(self) -> str:
        """A token that may call."""
        return next(token for token, caller in self.callers.items() if caller == "application")


async def populate(records: Records) -> World:
    """Make one of each kind of caller, and records of every type, in an empty database with the route deployed."""
    await records.deploy()
    application = await records.application()
    session = await records.session("client", application_id=application.id)
    callers: dict[str, Caller] = {application.token: "application", session.token: "session"}
    callers[(await records.session("employee", age=timedelta(days=8))).token] = "expired"
    callers[(await records.session("liaison", idle=timedelta(hours=73))).token] = "expired"
    callers[await _without_role(records)] = "without-role"
    dead_tokens = (await _revoked(records, application.id), await _inactive(records))
    tables = load_config(None, {}).associations
    return World(callers, dead_tokens, {name: await _ids(records, table) for name, table in tables.items()})


async def _without_role(records: Records) -> str:
    user_id, email = await records.user()
    return (await records.session_of(user_id, email)).token


async def _revoked(records: Records, application_id: int) -> str:
    token = secrets.token_urlsafe()
    await records.connection.execute(
        "INSERT INTO application_tokens (application_id, token_digest, revoked_at) VALUES ($1, $2, now())",
        application_id,
        digest(token),
    )
    return token


async def _inactive(records: Records) -> str:
    application = await records.application()
    await records.connection.execute("UPDATE applications SET active = false WHERE id = $1", application.id)
    return application.token


async def _ids(records: Records, table: str) -> frozenset[int]:
    rows = await records.connection.fetch(f'SELECT id FROM "{table}"')  # noqa: S608 - a table of the shipped settings
    return frozenset(row["id"] for row in rows)
