"""Writing requirements: one statement for any number of them, of any mix of association types."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg
import orjson

from service.database.pool import Database
from service.database.queries import QUERIES, quote_identifier, quote_literal
from service.domain.callers import TokenLookup
from service.domain.requirements import NewRequirement, Requirement
from service.domain.schemas import Reference
from service.storage.tokens import FOUND_END, found

# Each connection plans each statement once, and keeps its plan: only so many mixes of types have one of their own.
MOST_STATEMENTS = 32


class InsertResult(NamedTuple):
    """What became of a submission, and what was found behind its token.

    `requirement` is None when the caller is refused or a reference does not exist; `created` tells a new record from
    one that held the request_uid before. `email_id` is that of the new record's e-mail, where there is one to send.
    """

    found: TokenLookup
    requirement: Requirement | None
    created: bool
    email_id: int | None
    required_exists: bool
    requireable_exists: bool


class Outgoing(NamedTuple):
    """The e-mail that is written with each new requirement: to whom, and how long it is its submitter's to send."""

    recipients: Sequence[str]
    lease: timedelta


class RequirementStore:
    """Writes requirements whose references are of the configured association types."""

    def __init__(self, database: Database, associations: Mapping[str, str], outgoing: Outgoing | None = None) -> None:
        """`associations` maps each type to its table, or schema.table. Without `outgoing`, no e-mail is to be sent."""
        self._database = database
        self._outgoing = outgoing or (None, None)
        self._associations = associations
        self._statements: dict[tuple[tuple[str, ...], bool], str] = {}

    async def create(
        self, submissions: Sequence[NewRequirement], *, wait: bool, timeout: float | None = None
    ) -> dict[str, InsertResult]:
        """Write them all in one statement, committed when this returns; by request_uid, which must be distinct.

        Without `wait`, a row that someone else is changing counts as one that does not exist. `timeout` is in seconds.
        Raises a `DatabaseError`, for all of them together.
        """
        types = {reference.type for item in submissions for reference in (item.required, item.requireable)}
        rows = await self._database.fetch(
            self._statement(tuple(sorted(types)), wait=wait),
            orjson.dumps([_row(item) for item in submissions]).decode(),
            [item.request_uid for item in submissions if item.retried or item.params_digest is not None],
            *self._outgoing,
            timeout=timeout,
        )
        return {row[0]: _written(row) for row in rows}

    async def find(self, request_uid: str, timeout: float) -> Requirement | None:
        """The requirement that holds `request_uid`, if any. Raises a `DatabaseError`."""
        rows = await self._database.fetch(QUERIES["find_requirement"], request_uid, timeout=timeout)
        return requirement_of(rows[0]) if rows else None

    def _statement(self, types: tuple[str, ...], *, wait: bool) -> str:
        """The statement for these types, or for all where many mixes of types were met."""
        if (types, wait) not in self._statements and len(self._statements) >= MOST_STATEMENTS:
            types = tuple(sorted(self._associations))
        statement = self._statements.get((types, wait))
        if statement is None:
            chosen = {name: self._associations[name] for name in types}
            statement = self._statements[types, wait] = compose_create(chosen, wait=wait)
        return statement


def compose_create(associations: Mapping[str, str], *, wait: bool) -> str:
    """The statement that writes submissions whose references are of these types; it may `wait` for locks or not."""
    hold = QUERIES["hold_references"] if wait else QUERIES["hold_free_references"]
    known = QUERIES["hold_requirements"] if wait else QUERIES["hold_free_requirements"]
    references = [
        hold.replace("{type}", quote_literal(name)).replace("{table}", quote_identifier(table))
        for name, table in sorted(associations.items())
    ]
    create = QUERIES["create_requirements"].replace("{known}", known).replace("{callers}", QUERIES["callers"])
    return create.replace("{references}", "\n    UNION ALL\n    ".join(references))


def _row(item: NewRequirement) -> dict[str, str | int | None]:
    """The columns of a submission, as JSON can hold them: bytes as PostgreSQL reads them from text."""
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


def _written(row: asyncpg.Record) -> InsertResult:
    *columns, created, email_id, required_held, requireable_held = row[FOUND_END:]
    requirement = requirement_of(columns) if columns[0] is not None else None
    return InsertResult(found(row), requirement, created, email_id, required_held, requireable_held)


def requirement_of(columns: Iterable[Any]) -> Requirement:
    """The requirement in its columns, which stand as the queries tell them. To ask for each by its name is slow."""
    row_id, required_type, required_id, requireable_type, requireable_id, *others = columns
    required, requireable = Reference(required_type, required_id), Reference(requireable_type, requireable_id)
    return Requirement(row_id, required, requireable, *others)
