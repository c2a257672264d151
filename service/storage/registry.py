"""The records of services and routes: which of them are deployed."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import asyncpg

from service.database.errors import translate_statement_errors
from service.database.queries import QUERIES

# A connection that has died in silence is given up in time for a change to arrive by another within 5 s.
LOAD_TIMEOUT_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Route:
    """A route's record and its service's."""

    sensitive_params: bool
    deployed: bool
    service_deployed: bool


Registry = Mapping[tuple[str, str, str], Route]  # by service, version and action


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
