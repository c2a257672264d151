"""The Requirements tab: all requirements, or those that pass filters; and the page of each, where it is changed."""

from collections.abc import Mapping
from datetime import datetime

import asyncpg
from aiohttp import web

from service.admin import keys
from service.admin.console.audit_trail import back_to, changing
from service.admin.console.forms import ID_IN_PATH, Form, identifier, read_form, read_query
from service.admin.console.rendering import page
from service.admin.console.requirement_filters import (
    ANY_TYPE,
    key_fields,
    listing_fields,
    read_listing,
    sort_choice,
    start_fields,
)
from service.domain.schemas import MAX_KEY_LENGTH, MAX_VALUE_LENGTH
from service.domain.times import parse_time
from service.domain.views import timestamp
from service.storage import requirement_pages
from service.storage.audit import NothingChanged
from service.storage.requirement_changes import change_as_operator

TAB = "requirements"
ADDRESS = "/console/requirements"

LONGEST: Mapping[str, int] = {"key": MAX_KEY_LENGTH, "value": MAX_VALUE_LENGTH}


async def show(request: web.Request) -> web.Response:
    """One page of requirements. All filters that are given apply together."""
    query = read_query(request)
    filters, sort, start = read_listing(query)
    found = await requirement_pages.list_requirements(request.config_dict[keys.DATABASE], filters, sort, start)
    fields = listing_fields(filters, sort)
    return await page(
        request,
        "requirements.html",
        TAB,
        rows=found.rows,
        filters=filters,
        fields=fields,
        following=None if found.next is None else fields | start_fields(found.next),
        later=start.id is not None,
        sort=sort_choice(sort),
        types=sorted(request.config_dict[keys.CONFIG].associations),
        any_type=ANY_TYPE,
        key_fields=key_fields,
    )


async def show_one(request: web.Request) -> web.Response:
    """One requirement with all of its columns, its neighbours and its changes."""
    database = request.config_dict[keys.DATABASE]
    number = identifier(request.match_info["id"])
    row = await requirement_pages.find_requirement(database, number)
    if row is None:
        raise web.HTTPNotFound
    neighbours = await requirement_pages.find_neighbours(database, row)
    return await page(
        request,
        "requirement.html",
        TAB,
        row=row,
        neighbours={relation: (found, listing_fields(found.filters)) for relation, found in neighbours.items()},
        changes=await requirement_pages.list_changes(database, number),
        key_fields=key_fields,
        shown_at=timestamp(row["updated_at"]),
        longest=LONGEST,
    )


async def update(request: web.Request) -> web.Response:
    """Change the key and the value of a requirement, as its page showed it."""
    number, form = identifier(request.match_info["id"]), await read_form(request)
    shown_at = _shown_at(form)
    details: dict[str, object] = {"requirement_id": number}
    text = f"Nothing to change: requirement {number} has this key and value."
    async with changing(request, "update requirement", details) as connection:
        row = await requirement_pages.find_requirement(connection, number)
        if row is None:
            raise web.HTTPNotFound
        values = _changed_values(form, row)
        await _change(request, connection, row, values, shown_at)
        if not values:
            raise NothingChanged
        details["changed"] = sorted(values)
        text = f"Changed the {' and the '.join(sorted(values))} of requirement {number}."
    raise back_to(request, f"{ADDRESS}/{number}", text)


async def destroy(request: web.Request) -> web.Response:
    """Destroy a requirement, as its page showed it."""
    number, form = identifier(request.match_info["id"]), await read_form(request)
    shown_at = _shown_at(form)
    details: dict[str, object] = {"requirement_id": number}
    async with changing(request, "destroy requirement", details) as connection:
        row = await requirement_pages.find_requirement(connection, number)
        if row is None:
            raise web.HTTPNotFound
        details |= {end: f"{row[f'{end}_type']} {row[f'{end}_id']}" for end in ("requireable", "required")}
        await _change(request, connection, row, None, shown_at)
    raise back_to(request, ADDRESS, f"Destroyed requirement {number}.")


async def _change(
    request: web.Request,
    connection: asyncpg.Connection,
    row: asyncpg.Record,
    values: Mapping[str, str | None] | None,
    shown_at: datetime,
) -> None:
    """Make the change. Raises HTTP 404 or 409 if the requirement is no longer as the page showed it."""
    distributed = request.config_dict[keys.DATABASE].distributed
    result = await change_as_operator(
        connection, row["id"], values, shown_at, request[keys.REQUEST_ID], distributed=distributed
    )
    if not result.found:
        raise web.HTTPNotFound
    if not result.is_current:
        raise web.HTTPConflict(
            text=f"Nothing was changed: requirement {row['id']} was changed by somebody else after its page was shown. "
            "Go back and reload the page to see it as it is now."
        )


def _shown_at(form: Form) -> datetime:
    """The updated_at of the requirement when its page was shown. Raises HTTP 400 if the form does not have it."""
    moment = parse_time(form.get("if_updated_at"))
    if moment is None:
        raise web.HTTPBadRequest(text="The form must have the time that its page was shown with.")
    return moment


def _changed_values(form: Form, row: asyncpg.Record) -> dict[str, str | None]:
    """The key and the value that the form changes; those that it does not have stay.

    Browsers send each line break as CR and LF, so a text that differs only in its line breaks is not changed. Raises
    HTTP 400 for a text that is too long or has a NUL character.
    """
    changed: dict[str, str | None] = {}
    for name, longest in LONGEST.items():
        if not {name, f"no_{name}"} & form.texts.keys():
            continue
        text = None if form.get(f"no_{name}") == "yes" else _unix(form.get(name))
        if text is not None and (len(text) > longest or "\0" in text):
            raise web.HTTPBadRequest(
                text=f"The {name} must have at most {longest} characters, none of them the NUL character."
            )
        if text != (None if row[name] is None else _unix(row[name])):
            changed[name] = text
    return changed


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


ROUTES = (
    web.get("/requirements", show),
    web.get(f"/requirements/{ID_IN_PATH}", show_one),
    web.post(f"/requirements/{ID_IN_PATH}/update", update),
    web.post(f"/requirements/{ID_IN_PATH}/destroy", destroy),
)
