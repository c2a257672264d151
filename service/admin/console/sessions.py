"""Open and revoke sessions of users."""

from aiohttp import web
from yarl import URL

from service.admin.console.access import ADDRESS as ACCESS
from service.admin.console.audit_trail import back_to, changing
from service.admin.console.forms import ID_IN_PATH, identifier, read_form
from service.storage import sessions


async def create(request: web.Request) -> web.Response:
    """Open a session of a user. The next page shows its token once."""
    form = await read_form(request)
    email, application = form.line("email", "The e-mail address"), form.optional("application")
    remember_me = form.get("remember_me") == "yes"
    details: dict[str, object] = {"user": email, "application": application, "remember_me": remember_me}
    async with changing(request, "open session", details) as connection:
        opened = await sessions.create_session(connection, email, application, remember_me=remember_me)
        if opened is None:
            where = f", or no application {application}" if application else ""
            raise web.HTTPConflict(text=f"There is no user {email}{where}.")
        details["session"], token = opened
    raise back_to(request, ACCESS, f"Opened session {details['session']} of {email}.", token)


async def revoke(request: web.Request) -> web.Response:
    """Revoke one session."""
    number = identifier(request.match_info["id"])
    async with changing(request, "revoke session", {"session": number}) as connection:
        if not await sessions.revoke_session(connection, number):
            raise web.HTTPNotFound
    raise back_to(request, ACCESS, f"Revoked session {number}.")


async def revoke_all(request: web.Request) -> web.Response:
    """Revoke every live session of a user."""
    email = (await read_form(request)).line("email", "The e-mail address")
    details: dict[str, object] = {"user": email}
    async with changing(request, "revoke sessions", details) as connection:
        details["count"] = count = await sessions.revoke_user_sessions(connection, email)
    text = f"Revoked {count} session{'' if count == 1 else 's'} of {email}."
    raise back_to(request, str(URL(ACCESS).with_query(user=email)), text)


ROUTES = (
    web.post("/access/sessions", create),
    web.post("/access/sessions/revoke", revoke_all),
    web.post(f"/access/sessions/{ID_IN_PATH}/revoke", revoke),
)
