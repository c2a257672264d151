"""Helpers to read lists of requirements page by page, and a reference for their filters."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any

import asyncpg

from tests.api.exchange import ApiResponse, read_envelope
from tests.conftest import Client
from tests.factories import INDEX

Row = Mapping[str, Any]

# Times are compared as seconds, because a timestamp of PostgreSQL may be outside the years of Python.
ROWS = """
SELECT
    id, required_type, required_id, requireable_type, requireable_id, key, value, application_id, user_id,
    extract(epoch FROM created_at)::float8 AS created, extract(epoch FROM updated_at)::float8 AS updated
FROM requirements ORDER BY id
"""
POSITIONS: Mapping[str, Callable[[Row], Any]] = {
    "id": lambda row: row["id"],
    "created_at": lambda row: (row["created"], row["id"]),
    "updated_at": lambda row: (row["updated"], row["id"]),
}


async def post_index(client: Client, token: str, **params: object) -> ApiResponse:
    """List requirements."""
    return await read_envelope(await client.post(INDEX, json={"token": token, **params}))


async def pages(client: Client, token: str, **params: Any) -> AsyncIterator[Any]:
    """The data of every page, from the one that the params ask for to the end."""
    following = dict(params)
    while True:
        response = await post_index(client, token, **following)
        assert response.status == "action-successful", response.body
        data = response.data
        assert data["complete"] == (data["page"]["next"] is None)
        assert len(data["results"]) <= data["page"]["size"]
        yield data
        if data["complete"]:
            return
        following["page"] = {"size": data["page"]["size"], "after": data["page"]["next"]}


async def ids_of(client: Client, token: str, **params: Any) -> list[int]:
    """The ids of the requirements on all pages."""
    return [record["id"] async for data in pages(client, token, **params) for record in data["results"]]


def ids_on(response: ApiResponse) -> list[int]:
    """The ids of the requirements on one page."""
    return [record["id"] for record in response.data["results"]]


async def stored(connection: asyncpg.Connection) -> list[Row]:
    """All requirements, by id."""
    return await connection.fetch(ROWS)  # type: ignore[return-value]


def expected_ids(rows: list[Row], params: Mapping[str, Any], sees: Callable[[Row], bool] = lambda _: True) -> list[int]:
    """The ids that a list with these params has, in its order. `sees` says whether the caller sees a row."""
    sort = params.get("sort") or {}
    found = [row for row in rows if sees(row) and _matches(row, params)]
    found.sort(key=POSITIONS[sort.get("by") or "id"], reverse=sort.get("order") != "asc")
    return [row["id"] for row in found]


def _matches(row: Row, params: Mapping[str, Any]) -> bool:
    ends = all(
        end is None or (row[f"{name}_type"] == end["type"] and end.get("id") in (None, row[f"{name}_id"]))
        for name in ("required", "requireable")
        for end in [params.get(name)]
    )
    caller = all(row[name] == value for name, value in (params.get("caller") or {}).items())
    keyed = "key" not in params or row["key"] == params["key"]
    return ends and caller and keyed and _created(row, params.get("created") or {}) and _found(row, params)


def _created(row: Row, created: Mapping[str, str]) -> bool:
    after = "from" not in created or row["created"] >= datetime.fromisoformat(created["from"]).timestamp()
    return after and ("until" not in created or row["created"] < datetime.fromisoformat(created["until"]).timestamp())


def _found(row: Row, params: Mapping[str, Any]) -> bool:
    search = params.get("search")
    if search is None:
        return True
    names = search.get("attributes") or ("key", "value")
    return any(search["term"].lower() in (row[name] or "").lower() for name in names)
