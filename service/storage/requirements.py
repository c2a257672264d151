"""Requirements: inserted by one statement for any number of rows and any mix of association types, and read."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg
import orjson

from service.database.pool import Database
from service.database.queries import QUERIES, quote_identifier, quote_literal
from service.domain.callers import TokenLookup, Viewer
from service.domain.references import Reference
from service.domain.requirements import NewRequirement, Requirement
from service.storage.tokens import LOOKUP_END, lookup_of

# Each connection plans each statement once and keeps the plan, so the number of different statements is bounded.
MAX_STATEMENTS = 32


class InsertResult(NamedTuple):
    """The result of inserting one requirement, and the verdict on the token it came with.

    `requirement` is None if the token is refused or a reference does not exist. `created` is False if a row with this
    request_uid existed before. `email_id` is the new row's e-mail, if one was queued.
    """

    lookup: TokenLookup
    requirement: Requirement | None
    created: bool
    email_id: int | None
    required_exists: bool
    requireable_exists: bool


class EmailToQueue(NamedTuple):
    """The e-mail that is queued with each new requirement: its recipients, and how long the call leases it."""

    recipients: Sequence[str]
    lease: timedelta


class RequirementStore:
    """Inserts requirements whose references are of the configured association types."""

    def __init__(self, database: Database, associations: Mapping[str, str], email: EmailToQueue | None = None) -> None:
        """`associations` maps each type to its table, or schema.table. Without `email`, no e-mail is queued."""
        self._database = database
        self._email = email or (None, None)
        self._associations = associations
        self._statements: dict[tuple[tuple[str, ...], bool], str] = {}

    async def insert(
        self, items: Sequence[NewRequirement], *, wait: bool, timeout: float | None = None
    ) -> dict[str, InsertResult]:
        """Insert all items in one statement, committed on return. The result is by request_uid; these must differ.

        Without `wait`, a row that another transaction has locked counts as absent. `timeout` is in seconds. Raises a
        `DatabaseError`, which concerns all items.
        """
        types = {reference.type for item in items for reference in (item.required, item.requireable)}
        rows = await self._database.fetch(
            self._statement(tuple(sorted(types)), wait=wait),
            orjson.dumps([_input_row(item) for item in items]).decode(),
            [item.request_uid for item in items if item.retried or item.params_digest is not None],
            *self._email,
            timeout=timeout,
        )
        return {row[0]: _insert_result(row) for row in rows}

    async def find_by_request_uid(self, request_uid: str, timeout: float) -> Requirement | None:
        """The requirement of `request_uid`, if there is one. `timeout` is in seconds. Raises a `DatabaseError`."""
        rows = await self._database.fetch(QUERIES["find_by_request_uid"], request_uid, timeout=timeout)
        return requirement_from_columns(rows[0]) if rows else None

    def _statement(self, types: tuple[str, ...], *, wait: bool) -> str:
        """The statement for these types; once there are many statements, the one for all types."""
        if (types, wait) not in self._statements and len(self._statements) >= MAX_STATEMENTS:
            types = tuple(sorted(self._associations))
        statement = self._statements.get((types, wait))
        if statement is None:
            chosen = {name: self._associations[name] for name in types}
            statement = self._statements[types, wait] = compose_insert(chosen, wait=wait)
        return statement


def compose_insert(associations: Mapping[str, str], *, wait: bool) -> str:
    """The statement that inserts requirements with references of these types; `wait` says if it waits for locks."""
    lock = QUERIES["lock_references"] if wait else QUERIES["lock_references_skip_locked"]
    existing = QUERIES["lock_existing"] if wait else QUERIES["lock_existing_skip_locked"]
    references = [
        lock.replace("{type}", quote_literal(name)).replace("{table}", quote_identifier(table))
        for name, table in sorted(associations.items())
    ]
    statement = QUERIES["create_requirements"].replace("{existing}", existing)
    statement = statement.replace("{token_verdicts}", QUERIES["token_verdicts"])
    return statement.replace("{references}", "\n    UNION ALL\n    ".join(references))


async def read_requirement(
    requirement_id: int, database: Database, viewer: Viewer, timeout: float
) -> Requirement | None:
    """The requirement with this id, if the viewer may see it. `timeout` is in seconds. Raises a `DatabaseError`."""
    rows = await database.fetch(QUERIES["read_requirement"], requirement_id, *viewer, timeout=timeout)
    return requirement_from_columns(rows[0]) if rows else None


def _input_row(item: NewRequirement) -> dict[str, str | int | None]:
    """The columns of an item in JSON. Bytes are in PostgreSQL's text form."""
    digest = item.params_digest
    return {
        "request_uid": item.request_uid,
        "token_digest": f"\\x{item.token_digest.hex()}",
        "required_type": item.required.type,
        "required_id": item.required.id,
        "requireable_type": item.requireable.type,
        "requireable_id": item.requireable.id,
        "key": item.key,
        "value": item.value,
        "params_digest": None if digest is None else f"\\x{digest.hex()}",
    }


def _insert_result(row: asyncpg.Record) -> InsertResult:
    *columns, created, email_id, required_exists, requireable_exists = row[LOOKUP_END:]
    requirement = requirement_from_columns(columns) if columns[0] is not None else None
    return InsertResult(lookup_of(row), requirement, created, email_id, required_exists, requireable_exists)


def requirement_from_columns(columns: Iterable[Any]) -> Requirement:
    """The requirement in columns that are in the order of create_requirements. Reading them by name is slow."""
    row_id, required_type, required_id, requireable_type, requireable_id, *others = columns
    required, requireable = Reference(required_type, required_id), Reference(requireable_type, requireable_id)
    return Requirement(row_id, required, requireable, *others)
