"""The database as the model of the contract knows it: callers by token, and the records requirements can refer to."""

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
class DatabaseState:
    """`callers` maps tokens to callers; `revoked_tokens` and all other tokens are invalid.

    `ids` holds the ids of the records of each association type.
    """

    callers: Mapping[str, Caller]
    revoked_tokens: tuple[str, ...]
    ids: Mapping[str, frozenset[int]]

    @property
    def token(self) -> str:
        """The token of a valid caller."""
        return next(token for token, caller in self.callers.items() if caller == "application")


async def populate(records: Records) -> DatabaseState:
    """Create each kind of caller and records of every type in an empty database, and deploy the route."""
    await records.deploy()
    application = await records.application()
    session = await records.session("client", application_id=application.id)
    callers: dict[str, Caller] = {application.token: "application", session.token: "session"}
    callers[(await records.session("employee", age=timedelta(days=8))).token] = "expired"
    callers[(await records.session("liaison", idle=timedelta(hours=73))).token] = "expired"
    callers[await _without_role(records)] = "without-role"
    revoked_tokens = (await _revoked(records, application.id), await _inactive(records))
    tables = load_config(None, {}).associations
    return DatabaseState(
        callers, revoked_tokens, {name: await _ids(records, format_table) for name, format_table in tables.items()}
    )


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


async def _ids(records: Records, format_table: str) -> frozenset[int]:
    rows = await records.connection.fetch(f'SELECT id FROM "{format_table}"')  # noqa: S608 - a table name from the default configuration
    return frozenset(row["id"] for row in rows)
