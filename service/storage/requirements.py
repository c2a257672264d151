"""Writing requirements: one statement for any number of them, of any mix of association types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from service.database.pool import Database
from service.database.queries import QUERIES, quote_identifier, quote_literal
from service.requirements import Requirement, Submission
from service.schemas import Reference

# The columns of a submission, and what is the same for all.
FIXED_PARAMETERS = 13


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a submission.

    `requirement` is None when a reference does not exist; `created` tells a new record from one that held the
    request_uid before. `email_id` is that of the new record's e-mail, where there is one to send.
    """

    requirement: Requirement | None
    created: bool
    email_id: int | None
    required_exists: bool
    requireable_exists: bool


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The e-mail that is written with each new requirement: to whom, and how long it is its submitter's to send."""

    recipients: Sequence[str]
    lease: timedelta


class RequirementStore:
    """Writes requirements whose references are of the configured association types."""

    def __init__(self, database: Database, associations: Mapping[str, str], outgoing: Outgoing | None = None) -> None:
        """`associations` maps each type to its table, or schema.table. Without `outgoing`, no e-mail is to be sent."""
        self._database = database
        self._outgoing = [outgoing.recipients, outgoing.lease] if outgoing else [None, None]
        self._types = sorted(associations)
        self._create_waiting = compose_create(associations, wait=True)
        self._create_free = compose_create(associations, wait=False)

    async def create(
        self, submissions: Sequence[Submission], *, wait: bool, timeout: float | None = None
    ) -> dict[UUID, Written]:
        """Write them all in one statement, committed when this returns; by request_uid, which must be distinct.

        Without `wait`, a row that someone else is changing counts as one that does not exist. `timeout` is in seconds.
        Raises a `DatabaseError`, for all of them together.
        """
        query = self._create_waiting if wait else self._create_free
        columns = zip(*map(_row, submissions), strict=True)
        ids = self._ids_by_type(submissions)
        rows = await self._database.fetch(query, *columns, *self._outgoing, *ids, timeout=timeout)
        return {row["request_uid"]: _written(row) for row in rows}

    async def find(self, request_uid: UUID, timeout: float) -> Requirement | None:
        """The requirement that holds `request_uid`, if any. Raises a `DatabaseError`."""
        rows = await self._database.fetch(QUERIES["find_requirement"], request_uid, timeout=timeout)
        return requirement_of(rows[0]) if rows else None

    def _ids_by_type(self, submissions: Sequence[Submission]) -> list[list[int]]:
        ids: dict[str, set[int]] = {name: set() for name in self._types}
        for item in submissions:
            ids[item.required.type].add(item.required.id)
            ids[item.requireable.type].add(item.requireable.id)
        return [sorted(ids[name]) for name in self._types]


def compose_create(associations: Mapping[str, str], *, wait: bool) -> str:
    """The statement that writes submissions whose references are of these types; it may `wait` for locks or not."""
    hold = QUERIES["hold_references"] if wait else QUERIES["hold_free_references"]
    known = QUERIES["hold_requirements"] if wait else QUERIES["hold_free_requirements"]
    references = [
        hold.replace("{type}", quote_literal(name))
        .replace("{table}", quote_identifier(table))
        .replace("{ids}", f"${FIXED_PARAMETERS + position}")
        for position, (name, table) in enumerate(sorted(associations.items()), start=1)
    ]
    create = QUERIES["create_requirements"].replace("{known}", known)
    return create.replace("{references}", "\n    UNION ALL\n    ".join(references))


def _row(item: Submission) -> tuple[object, ...]:
    return (
        item.request_uid,
        item.required.type,
        item.required.id,
        item.requireable.type,
        item.requireable.id,
        item.key,
        item.value,
        item.application_id,
        item.user_id,
        item.session_id,
        item.params_digest,
    )


def _written(row: asyncpg.Record) -> Written:
    return Written(
        requirement=requirement_of(row) if row["id"] is not None else None,
        created=bool(row["created"]),
        email_id=row["email_id"],
        required_exists=row["required_held"],
        requireable_exists=row["requireable_held"],
    )


def requirement_of(row: asyncpg.Record) -> Requirement:
    """The requirement in a row that holds its columns."""
    return Requirement(
        id=row["id"],
        required=Reference(row["required_type"], row["required_id"]),
        requireable=Reference(row["requireable_type"], row["requireable_id"]),
        key=row["key"],
        value=row["value"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        params_digest=row["params_digest"],
    )
