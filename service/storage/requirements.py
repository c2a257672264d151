"""Requirements: inserted by one statement for any number of rows and any mix of association types, and read.

There are two such statements. `create_requirements` is for everything. `create_new_requirements` takes three quarters
of its processor time. It is for what most calls are: new, without an Idempotency-Key, e-mails or views of the caller.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, NamedTuple

import asyncpg
import orjson

from service.database.arrays import array_literal
from service.database.pool import Database
from service.database.queries import QUERIES, quote_identifier, quote_literal
from service.domain.callers import TokenLookup, Viewer
from service.domain.references import Reference
from service.domain.requirements import NewRequirement, Requirement
from service.storage.tokens import (
    LOOKUP_END,
    SHORT_LOOKUP_END,
    judging_tokens,
    lookup_of,
    short_lookup_of,
)

# Each connection plans each statement once and keeps the plan, so the number of different statements is bounded.
MAX_STATEMENTS = 32

# The statement that inserts: for new requirements only, for any, or for any and waiting for locks.
Form = Literal["new", "any", "waiting"]


class InsertResult(NamedTuple):
    """The result of inserting one requirement, and the verdict on the token it came with.

    `requirement` is None if the token is refused or a reference does not exist. `created` is False if a row with this
    request_uid existed before. `email_id` is the new row's e-mail, if one was queued. `required_exists` and
    `requireable_exists` are None if the row was deleted while the statement waited: it may have been inserted again.
    """

    lookup: TokenLookup
    requirement: Requirement | None
    created: bool
    email_id: int | None
    required_exists: bool | None
    requireable_exists: bool | None


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
        self._statements: dict[tuple[tuple[str, ...], Form], str] = {}
        self._locked: frozenset[str] = frozenset()

    async def insert(
        self, items: Sequence[NewRequirement], *, wait: bool, timeout: float | None = None, short_waits: bool = False
    ) -> dict[str, InsertResult]:
        """Insert all items in one statement, committed on return. The result is by request_uid; these must differ.

        Without `wait`, a row that another transaction has locked counts as absent. `short_waits` limits how long the
        statement waits for other locks, such as those on tables. `timeout` is in seconds. Raises a `DatabaseError`,
        which concerns all items.
        """
        form = self._form(items, wait=wait)
        types = {reference.type for item in items for reference in (item.required, item.requireable)}
        args: list[object] = [insert_input(items)]
        if form != "new":
            args += [array_literal(item.request_uid for item in items if item.may_exist), *self._email]
        rows = await self._database.fetch(
            self._statement(tuple(sorted(types)), form), *args, timeout=timeout, short_waits=short_waits
        )
        if form != "new":
            return {row[0]: _insert_result(row) for row in rows}
        placed = [(items[row[0] - 1], row) for row in rows]
        return {item.request_uid: _new_result(row, item) for item, row in placed}

    def _form(self, items: Sequence[NewRequirement], *, wait: bool) -> Form:
        """The form of the statement that inserts these items."""
        if wait:
            return "waiting"
        others = self._email[0] is not None or self._database.distributed
        return "any" if others or any(item.may_exist or item.shows_caller for item in items) else "new"

    async def find_locked_types(self) -> frozenset[str]:
        """The association types whose table another transaction has locked. Raises a `DatabaseError`."""
        types = {name: quote_identifier(table) for name, table in self._associations.items()}
        rows = await self._database.fetch(QUERIES["find_locked_tables"], list(types.values()))
        tables = {row["name"] for row in rows}
        self._locked = frozenset(name for name, table in types.items() if table in tables)
        return self._locked

    async def find_by_request_uid(self, request_uid: str, timeout: float) -> Requirement | None:
        """The requirement of `request_uid`, if there is one. `timeout` is in seconds. Raises a `DatabaseError`."""
        rows = await self._database.fetch(QUERIES["find_by_request_uid"], request_uid, timeout=timeout)
        return requirement_from_columns(rows[0]) if rows else None

    def _statement(self, types: tuple[str, ...], form: Form) -> str:
        """The statement for these types; once there are many statements, the one for all types that are not locked."""
        if (types, form) not in self._statements and len(self._statements) >= MAX_STATEMENTS:
            types = tuple(sorted((self._associations.keys() - self._locked).union(types)))
        statement = self._statements.get((types, form))
        if statement is None:
            chosen = {name: self._associations[name] for name in types}
            statement = compose_insert(chosen, form, distributed=self._database.distributed)
            self._statements[types, form] = statement
        return statement


def compose_insert(associations: Mapping[str, str], form: Form, *, distributed: bool = False) -> str:
    """The statement that inserts requirements with references of these types.

    `distributed` is whether requirements is distributed over several servers.
    """
    statement = QUERIES["create_new_requirements"] if form == "new" else QUERIES["create_requirements"]
    statement = judging_tokens(statement, in_short=form == "new")
    waiting = form == "waiting"
    visible = QUERIES["find_existing"]
    existing = QUERIES["lock_existing"] if waiting else QUERIES["lock_existing_skip_locked"]
    if distributed:
        visible = QUERIES["find_existing_distributed"]
        existing = QUERIES["lock_existing_distributed"].replace("{wait}", str(waiting).lower())
    for name, part in {
        "{visible}": visible,
        "{existing}": existing,
        "{locked}": QUERIES["locked_references"] if waiting else "",
        "{references}": "\n    UNION ALL\n    ".join(_for_each_type(QUERIES["lock_references"], associations)),
        "{required_exists}": _exists(associations, form).replace("{side}", "required"),
        "{requireable_exists}": _exists(associations, form).replace("{side}", "requireable"),
    }.items():
        statement = statement.replace(name, part)
    return statement


def _exists(associations: Mapping[str, str], form: Form) -> str:
    """The expression that says whether the reference of a `{side}` was locked."""
    if form == "waiting":
        seen = "\n        OR ".join(_for_each_type(QUERIES["reference_seen"], associations))
        return QUERIES["reference_exists"].replace("{seen}", seen)
    lock = "\n        ".join(_for_each_type(QUERIES["lock_reference_skip_locked"], associations))
    return QUERIES["reference_exists_skip_locked"].replace("{lock}", lock)


def _for_each_type(block: str, associations: Mapping[str, str]) -> list[str]:
    """The block, once for each association type."""
    return [
        block.replace("{type}", quote_literal(name)).replace("{table}", quote_identifier(table))
        for name, table in sorted(associations.items())
    ]


async def read_requirement(
    requirement_id: int, database: Database, viewer: Viewer, timeout: float
) -> Requirement | None:
    """The requirement with this id, if the viewer may see it. `timeout` is in seconds. Raises a `DatabaseError`."""
    rows = await database.fetch(QUERIES["read_requirement"], requirement_id, *viewer, timeout=timeout)
    return requirement_from_columns(rows[0]) if rows else None


def insert_input(items: Sequence[NewRequirement]) -> str:
    """The items as the statements that insert take them."""
    return orjson.dumps([_input_row(item) for item in items]).decode()


def _input_row(item: NewRequirement) -> dict[str, str | int | None]:
    """The columns of an item in JSON. Bytes are in PostgreSQL's text form."""
    digest = {} if item.params_digest is None else {"params_digest": f"\\x{item.params_digest.hex()}"}
    return {
        "request_uid": item.request_uid,
        "token_digest": f"\\x{item.token_digest.hex()}",
        "required_type": item.required.type,
        "required_id": item.required.id,
        "requireable_type": item.requireable.type,
        "requireable_id": item.requireable.id,
        "key": item.key,
        "value": item.value,
        "request_id": item.request_id,
        **digest,
    }


def _insert_result(row: asyncpg.Record) -> InsertResult:
    *columns, created, email_id, required_exists, requireable_exists = row[LOOKUP_END:]
    requirement = requirement_from_columns(columns) if columns[0] is not None else None
    return InsertResult(lookup_of(row), requirement, created, email_id, required_exists, requireable_exists)


def _new_result(row: asyncpg.Record, item: NewRequirement) -> InsertResult:
    """The result of create_new_requirements, which does not return what was sent."""
    row_id, created_at, updated_at, required_exists, requireable_exists = row[SHORT_LOOKUP_END:]
    requirement = None
    if row_id is not None:
        _, _, required, requireable, key, value, *_ = item
        requirement = Requirement(row_id, required, requireable, key, value, created_at, updated_at, None)
    lookup = short_lookup_of(row)
    return InsertResult(lookup, requirement, requirement is not None, None, required_exists, requireable_exists)


def requirement_from_columns(columns: Iterable[Any]) -> Requirement:
    """The requirement in columns that are in the order of create_requirements. Reading them by name is slow."""
    row_id, required_type, required_id, requireable_type, requireable_id, *others = columns
    required, requireable = Reference(required_type, required_id), Reference(requireable_type, requireable_id)
    return Requirement(row_id, required, requireable, *others)
