"""Writing requirements: one statement for any number of them, of any mix of association types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from service.database.pool import Database
from service.database.queries import QUERIES, quote_identifier, quote_literal
from service.requirements import Requirement, Submission
from service.schemas import Reference


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a submission.

    `requirement` is None when a reference does not exist; `created` tells a new record from one that held the
    request_uid before.
    """

    requirement: Requirement | None
    created: bool
    required_exists: bool
    requireable_exists: bool


class RequirementStore:
    """Writes requirements whose references are of the configured association types."""

    def __init__(self, database: Database, associations: Mapping[str, str]) -> None:
        """`associations` maps each type to its table, or schema.table."""
        self._database = database
        references = "\n    UNION ALL\n    ".join(
            hold_references(name, table) for name, table in sorted(associations.items())
        )
        self._create = QUERIES["create_requirements"].replace("{references}", references)

    async def create(self, submissions: Sequence[Submission], timeout: float) -> dict[UUID, Written]:
        """Write them all in one statement, committed when this returns; by request_uid, which must be distinct.

        `timeout` is in seconds. Raises a `DatabaseError`, for all of them together.
        """
        rows = await self._database.fetch(self._create, *_columns(submissions), timeout=timeout)
        return {row["request_uid"]: _written(row) for row in rows}

    async def find(self, request_uid: UUID, timeout: float) -> Requirement | None:
        """The requirement that holds `request_uid`, if any. Raises a `DatabaseError`."""
        rows = await self._database.fetch(QUERIES["find_requirement"], request_uid, timeout=timeout)
        return _requirement(rows[0]) if rows else None


def hold_references(association_type: str, table: str) -> str:
    """The statement that holds the referred rows of one association type."""
    block = QUERIES["hold_references"]
    return block.replace("{type}", quote_literal(association_type)).replace("{table}", quote_identifier(table))


def _columns(submissions: Sequence[Submission]) -> list[list[object]]:
    rows = [
        (
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
        for item in submissions
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _written(row: asyncpg.Record) -> Written:
    return Written(
        requirement=_requirement(row) if row["id"] is not None else None,
        created=bool(row["created"]),
        required_exists=row["required_exists"],
        requireable_exists=row["requireable_exists"],
    )


def _requirement(row: asyncpg.Record) -> Requirement:
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
