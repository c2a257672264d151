"""Applications and their tokens: create, issue, rotate, revoke, activate and deactivate."""

import asyncpg
from aiohttp import web

from service.admin import keys
from service.admin.console.access import ADDRESS as ACCESS
from service.admin.console.access import TAB
from service.admin.console.audit_trail import back_to, changing
from service.admin.console.forms import ID_IN_PATH, identifier, read_form
from service.admin.console.rendering import page
from service.domain import operator_input
from service.storage import applications


async def show(request: web.Request) -> web.Response:
    """One application and its tokens."""
    row = await _application(request)
    tokens = await applications.list_application_tokens(request.config_dict[keys.DATABASE], row["id"])
    return await page(request, "application.html", TAB, row=row, tokens=tokens)


async def create(request: web.Request) -> web.Response:
    """Create an application."""
    form = await read_form(request)
    slug = form.checked("slug", "The slug", operator_input.slug)
    name = form.line("name", "The name") if form.optional("name") else slug
    async with changing(request, "create application", {"application": slug, "name": name}) as connection:
        number = await applications.create_application(connection, slug, name)
        if number is None:
            raise web.HTTPConflict(text=f"An application {slug} already exists.")
    raise back_to(request, f"{ACCESS}/applications/{number}", f"Created {slug}. Issue a token for it.")


async def issue(request: web.Request) -> web.Response:
    """Issue an additional token. Earlier tokens stay valid."""
    row = await _application(request)
    details = {"application": row["slug"]}
    async with changing(request, "issue token", details) as connection:
        details["token"], text = await _issue(connection, row["slug"])
    raise back_to(request, _address(row), f"Issued a token for {row['slug']}.", text)


async def rotate(request: web.Request) -> web.Response:
    """Revoke every live token and issue a new one, in one transaction."""
    row = await _application(request)
    details = {"application": row["slug"]}
    async with changing(request, "rotate tokens", details) as connection:
        details["revoked"] = await applications.revoke_application_tokens(connection, row["slug"], None)
        details["token"], text = await _issue(connection, row["slug"])
    raise back_to(request, _address(row), f"Revoked all earlier tokens of {row['slug']} and issued a new one.", text)


async def revoke(request: web.Request) -> web.Response:
    """Revoke one token, or all tokens."""
    row, form = await _application(request), await read_form(request)
    token_id = form.number("token_id")
    details = {"application": row["slug"], "token": "all" if token_id is None else token_id}
    async with changing(request, "revoke tokens", details) as connection:
        count = await applications.revoke_application_tokens(connection, row["slug"], token_id)
        if count == 0:
            raise web.HTTPConflict(text=f"{row['slug']} has no such live token. It may have been revoked already.")
    raise back_to(request, _address(row), f"Revoked {count} token{'' if count == 1 else 's'} of {row['slug']}.")


async def switch(request: web.Request) -> web.Response:
    """Activate an application, or deactivate it with its tokens and the sessions opened in it."""
    row, form = await _application(request), await read_form(request)
    active = form.get("active") == "yes"
    verb, past = ("activate", "Activated") if active else ("deactivate", "Deactivated")
    async with changing(request, f"{verb} application", {"application": row["slug"]}) as connection:
        await applications.set_application_active(connection, row["slug"], active=active)
    raise back_to(request, _address(row), f"{past} {row['slug']}.")


async def _application(request: web.Request) -> asyncpg.Record:
    number = identifier(request.match_info["id"])
    row = await applications.find_application(request.config_dict[keys.DATABASE], number)
    if row is None:
        raise web.HTTPNotFound
    return row


async def _issue(connection: asyncpg.Connection, slug: str) -> tuple[int, str]:
    issued = await applications.issue_application_token(connection, slug)
    if issued is None:
        raise web.HTTPNotFound
    return issued


def _address(row: asyncpg.Record) -> str:
    return f"{ACCESS}/applications/{row['id']}"


ROUTES = (
    web.post("/access/applications", create),
    web.get(f"/access/applications/{ID_IN_PATH}", show),
    web.post(f"/access/applications/{ID_IN_PATH}/issue", issue),
    web.post(f"/access/applications/{ID_IN_PATH}/rotate", rotate),
    web.post(f"/access/applications/{ID_IN_PATH}/revoke", revoke),
    web.post(f"/access/applications/{ID_IN_PATH}/switch", switch),
)
