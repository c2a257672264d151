"""The calls that faults are injected into: what each needs, sends, and must leave in the database."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg

from service.api.actions import ACTIONS
from tests.api.exchange import success

INSERT = """
INSERT INTO requirements (
    required_type, required_id, requireable_type, requireable_id, key, value, application_id, user_id, session_id
)
SELECT $7, $8, 'User', $1, $2, $2, $3, $4, $5
FROM generate_series(1, $6)
RETURNING id
"""
ROWS = """
SELECT requirements.*, (SELECT count(*) FROM emails WHERE requirement_id = requirements.id) AS emails
FROM requirements WHERE %s
ORDER BY id
"""
EVENTS = """
SELECT changes.*, requirement_id AS id FROM changes
WHERE change = $2 AND requirement_id = ANY ($1::bigint[])
ORDER BY requirement_id
"""

SYNC_EVENTS = """
SELECT changes.*, requirement_id AS id FROM changes
WHERE key = $1 AND change <> 'created'
ORDER BY changes.id
"""

# The feed returns a change once no transaction is open that began before it.
TOLD = """
SELECT pg_snapshot_xmin(pg_current_snapshot()) > max(transaction_id) FROM requirements WHERE id = $1
"""

BATCH = 3
CHANGED = "changed"


@dataclass(frozen=True)
class Owner:
    """The caller whose requirements are changed and read, and a user that they refer to."""

    referred_user_id: int
    application_id: int | None
    user_id: int | None
    session_id: int | None


@dataclass(frozen=True)
class State:
    """What the database says of a call: how often it was carried out, what its success must say, what is wrong."""

    carried_out: int
    data: Any
    emails: Sequence[int] = ()
    problems: Sequence[str] = ()


@dataclass(frozen=True)
class Call:
    """A call by its `marker`, whose requirements belong to the `owner`. `connection` is ours, not the service's.

    `params` are what it sends, without the token, once it is prepared.
    """

    connection: asyncpg.Connection
    owner: Owner
    marker: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CallKind:
    """A kind of call. `done` is the outcome of one that was carried out, None of a read.

    `prepare` creates what the call needs, and returns its params; `state` returns what the database says of it.
    """

    action: str
    done: str | None
    prepare: Callable[[Call], Awaitable[dict[str, Any]]]
    state: Callable[[Call], Awaitable[State]]

    @property
    def method(self) -> str:
        """The HTTP method."""
        return METHODS_AND_PATHS[self.action][0]

    @property
    def path(self) -> str:
        """The path."""
        return METHODS_AND_PATHS[self.action][1]


def shown(data: Any) -> Any:
    """The requirements in the data of an answer: one, or a list."""
    if data is None or "results" not in data:
        return data
    return [item.get("requirement", item.get("data", item)) for item in data["results"]]


def _record(row: asyncpg.Record) -> Any:
    return success(row)[1]["data"]


async def _insert(call: Call, count: int = 1, required: Mapping[str, Any] | None = None) -> list[int]:
    """Insert requirements of the caller, whose key and value are the marker; return their ids."""
    owner = call.owner
    caller = (owner.application_id, owner.user_id, owner.session_id)
    end = required or _referred(call)
    args = (owner.referred_user_id, call.marker, *caller, count, end["type"], end["id"])
    return [row["id"] for row in await call.connection.fetch(INSERT, *args)]


def _referred(call: Call) -> dict[str, Any]:
    return {"type": "User", "id": call.owner.referred_user_id}


def _caller(call: Call) -> dict[str, Any]:
    """Another thing that requirements can refer to."""
    application_id, user_id = call.owner.application_id, call.owner.user_id
    return {"type": "User", "id": user_id} if user_id else {"type": "Application", "id": application_id}


async def _rows(call: Call, condition: str, arg: object) -> list[asyncpg.Record]:
    return await call.connection.fetch(ROWS % condition, arg)


def _new(call: Call, value: str) -> dict[str, Any]:
    return {"required": _referred(call), "requireable": _referred(call), "value": value}


async def _prepare_create(call: Call) -> dict[str, Any]:
    return _new(call, call.marker)


async def _created(call: Call) -> State:
    rows = await _rows(call, "value = $1", call.marker)
    return State(len(rows), _record(rows[0]) if rows else None, [row["emails"] for row in rows])


async def _prepare_create_many(call: Call) -> dict[str, Any]:
    return {"requirements": [_new(call, f"{call.marker} {place}") for place in range(BATCH)], "atomic": True}


async def _created_many(call: Call) -> State:
    rows = await _rows(call, "value = ANY ($1::text[])", [item["value"] for item in call.params["requirements"]])
    carried_out, rest = divmod(len(rows), BATCH)
    problems = [f"{len(rows)} of {BATCH} rows"] if rest else []
    return State(carried_out, [_record(row) for row in rows], [row["emails"] for row in rows], problems)


async def _prepare_update(call: Call) -> dict[str, Any]:
    return {"id": (await _insert(call))[0], "value": CHANGED}


async def _updated(call: Call) -> State:
    (row,) = await _rows(call, "id = $1", call.params["id"])
    events = await call.connection.fetch(EVENTS, [call.params["id"]], "updated")
    expected = CHANGED if events else call.marker
    wrong = row["value"] != expected or (events and _record(events[-1]) != _record(row))
    return State(len(events), _record(row), problems=[f"the row is {_record(row)}"] if wrong else [])


async def _prepare_one(call: Call) -> dict[str, Any]:
    return {"id": (await _insert(call))[0]}


async def _destroyed(call: Call) -> State:
    state = await _all_destroyed(call, [call.params["id"]])
    return replace(state, data=state.data[0] if state.data else None)


async def _prepare_destroy_many(call: Call) -> dict[str, Any]:
    return {"ids": await _insert(call, BATCH), "atomic": True}


async def _destroyed_many(call: Call) -> State:
    return await _all_destroyed(call, call.params["ids"])


async def _all_destroyed(call: Call, ids: list[int]) -> State:
    events = await call.connection.fetch(EVENTS, ids, "destroyed")
    left = await _rows(call, "id = ANY ($1::bigint[])", ids)
    carried_out, rest = divmod(len(events), len(ids))
    wrong = rest or len(left) != (0 if carried_out else len(ids))
    problems = [f"{len(events)} events and {len(left)} rows for {len(ids)} ids"] if wrong else []
    return State(carried_out, [_record(event) for event in events], problems=problems)


async def _prepare_sync(call: Call) -> dict[str, Any]:
    # Of two equal requirements, the first is updated and the second destroyed. Another one is created.
    await _insert(call, 2)
    parts = {"key": call.marker, "value": CHANGED}
    items = [{"required": _referred(call), **parts}, {"required": _caller(call), **parts}]
    return {"requireable": _referred(call), "requirements": items, "keys": [call.marker]}


async def _synced(call: Call) -> State:
    events = await call.connection.fetch(SYNC_EVENTS, call.marker)
    rows = await _rows(call, "key = $1", call.marker)
    created = [row for row in rows if (row["required_type"], row["required_id"]) == tuple(_caller(call).values())]
    found = [event["change"] for event in events] + ["created"] * len(created)
    carried_out = len(created)
    problems = [] if found == ["updated", "destroyed", "created"] * carried_out else [f"{found}"]
    if [row["value"] for row in rows] != ([CHANGED] * 2 if carried_out else [call.marker] * 2):
        problems.append(f"{[_record(row) for row in rows]}")
    records = [_record(row) for row in [*events[:1], *created, *events[1:]]]
    return State(carried_out, records, [row["emails"] for row in created], problems)


async def _read(call: Call) -> State:
    (row,) = await _rows(call, "id = $1", call.params["id"])
    return State(0, _record(row))


async def _prepare_index(call: Call) -> dict[str, Any]:
    await _insert(call, BATCH)
    return {"key": call.marker, "sort": {"order": "asc"}, "count": True}


async def _listed(call: Call) -> State:
    return State(0, [_record(row) for row in await _rows(call, "key = $1", call.marker)])


async def _prepare_walk(call: Call) -> dict[str, Any]:
    await _insert(call, required=_caller(call))
    return {"key": call.marker}


async def _prepare_closure(call: Call) -> dict[str, Any]:
    return await _prepare_walk(call) | {"of": _referred(call)}


async def _reached(call: Call) -> State:
    (row,) = await _rows(call, "key = $1", call.marker)
    return State(0, [_caller(call) | {"depth": 1, "requirement_id": row["id"]}])


async def _prepare_path(call: Call) -> dict[str, Any]:
    return await _prepare_walk(call) | {"from": _referred(call), "to": _caller(call)}


async def _chained(call: Call) -> State:
    return State(0, {"path": [_record(row) for row in await _rows(call, "key = $1", call.marker)]})


async def _prepare_changes(call: Call) -> dict[str, Any]:
    (number,) = await _insert(call)
    while not await call.connection.fetchval(TOLD, number):
        await asyncio.sleep(0.001)
    return {"key": call.marker}


METHODS_AND_PATHS = {action.name: (action.methods[-1], action.path) for action in ACTIONS}

KINDS = {
    kind.action: kind
    for kind in (
        CallKind("create", "created", _prepare_create, _created),
        CallKind("update", "updated", _prepare_update, _updated),
        CallKind("destroy", "destroyed", _prepare_one, _destroyed),
        CallKind("create_many", "created", _prepare_create_many, _created_many),
        CallKind("destroy_many", "destroyed", _prepare_destroy_many, _destroyed_many),
        CallKind("sync", "mixed", _prepare_sync, _synced),
        CallKind("read", None, _prepare_one, _read),
        CallKind("index", None, _prepare_index, _listed),
        CallKind("closure", None, _prepare_closure, _reached),
        CallKind("path", None, _prepare_path, _chained),
        CallKind("changes", None, _prepare_changes, _listed),
    )
}
