"""Updates and destroys of one requirement, each by one statement that also judges the token of a caller."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import asyncpg

from service.database.pool import Database
from service.database.queries import QUERIES
from service.domain.callers import TokenLookup
from service.domain.requirement_changes import RequirementChange
from service.domain.requirements import Requirement
from service.storage.requirements import requirement_from_columns
from service.storage.statements import fetch
from service.storage.tokens import LOOKUP_END, judging_tokens, lookup_of

_REQUIREMENT_END = LOOKUP_END + 10
# The number of columns before the requirement, in a statement with the block operator_as_caller.
_OPERATOR_END = 6


class ChangeResult(NamedTuple):
    """The result of a change, and the verdict on the token it came with.

    `requirement` is the record after an update, or before a destroy; None if the change was refused. `found` is whether
    the caller sees such a requirement and `is_current` whether it has the `if_updated_at` of the change. `changed` is
    whether the statement changed it, `repeated` whether an earlier attempt, or a call with the same key, had done so.
    """

    lookup: TokenLookup
    requirement: Requirement | None
    found: bool
    is_current: bool
    changed: bool
    repeated: bool


class OperatorResult(NamedTuple):
    """The result of a change by an operator. The fields are those of `ChangeResult`."""

    requirement: Requirement | None
    found: bool
    is_current: bool
    changed: bool


async def change_requirement(
    change: RequirementChange, database: Database, *, clients_see_all: bool, wait: bool, timeout: float
) -> ChangeResult:
    """Make the change in one statement, committed on return.

    Without `wait`, a requirement that another transaction has locked is not found. `clients_see_all` is whether clients
    see and change all requirements. `timeout` is in seconds. Raises a `DatabaseError`; `ConstraintViolated` if another
    attempt of the same call was committed meanwhile.
    """
    args = [
        change.token_digest,
        change.id,
        change.request_uid,
        change.may_be_repeated,
        change.params_digest,
        change.request_id,
        change.if_updated_at,
        clients_see_all,
    ]
    if change.values is not None:
        for name in ("key", "value"):
            args += [name in change.values, change.values.get(name)]
    statement = compose_change(destroy=change.values is None, wait=wait, distributed=database.distributed)
    rows = await database.fetch(statement, *args, timeout=timeout)
    return _result(rows[0])


async def change_as_operator(
    connection: asyncpg.Connection,
    requirement_id: int,
    values: Mapping[str, str | None] | None,
    if_updated_at: datetime | None,
    request_id: str,
    *,
    distributed: bool,
) -> OperatorResult:
    """Make a change without a token, in the transaction of the caller, which also records it in the audit.

    `values` are the new key and value, those that change; None to destroy the requirement. `if_updated_at` is the
    updated_at that the requirement must have; None for any. `distributed` is whether requirements is distributed over
    several servers. Raises a `DatabaseError`.
    """
    args: list[object] = [None, requirement_id, None, False, None, request_id, if_updated_at, True]
    if values is not None:
        for name in ("key", "value"):
            args += [name in values, values.get(name)]
    statement = compose_operator_change(destroy=values is None, distributed=distributed)
    (row,) = await fetch(connection, statement, *args)
    requirement = requirement_from_columns(row[_OPERATOR_END : _OPERATOR_END + 10]) if row["id"] is not None else None
    return OperatorResult(requirement, row["found"], row["is_current"], row["changed"])


def compose_change(*, destroy: bool, wait: bool, distributed: bool = False) -> str:
    """The statement that changes one requirement.

    `wait` says if it waits for locks, `distributed` if requirements is distributed over several servers.
    """
    return _STATEMENTS[destroy, wait, distributed]


def compose_operator_change(*, destroy: bool, distributed: bool = False) -> str:
    """The statement that changes one requirement without judging a token. It waits for locks."""
    return _OPERATOR_STATEMENTS[destroy, distributed]


def _compose(verdicts: str, *, destroy: bool, wait: bool, distributed: bool = False) -> str:
    lock = "FOR UPDATE" if destroy else "FOR NO KEY UPDATE"
    statement = QUERIES["destroy_requirement"] if destroy else QUERIES["update_requirement"]
    for name, part in {
        "{token_verdicts}": verdicts,
        "{target}": QUERIES["target_requirement"],
        "{locked}": QUERIES["locked_requirement_distributed"] if distributed else QUERIES["locked_requirement"],
        # A worker of Citus numbers its transactions on its own.
        "{transaction}": "target.transaction_id" if distributed else "change_transaction_id(target.transaction_id)",
        "{creation}": QUERIES["record_creation"],
        "{change}": QUERIES["record_change"],
        "{result}": QUERIES["change_result"],
        "{lock}": lock if wait else f"{lock} SKIP LOCKED",
        "{wait}": str(wait).lower(),
        "{kind}": "'destroyed'" if destroy else "'updated'",
    }.items():
        statement = statement.replace(name, part)
    return statement


_STATEMENTS = {
    (destroy, wait, distributed): _compose(
        judging_tokens("{token_verdicts}"), destroy=destroy, wait=wait, distributed=distributed
    )
    for destroy in (False, True)
    for wait in (False, True)
    for distributed in (False, True)
}
_OPERATOR_STATEMENTS = {
    (destroy, distributed): _compose(QUERIES["operator_as_caller"], destroy=destroy, wait=True, distributed=distributed)
    for destroy in (False, True)
    for distributed in (False, True)
}


def _result(row: asyncpg.Record) -> ChangeResult:
    columns, flags = row[LOOKUP_END:_REQUIREMENT_END], row[_REQUIREMENT_END:]
    requirement = requirement_from_columns(columns) if columns[0] is not None else None
    return ChangeResult(lookup_of(row), requirement, *flags)
