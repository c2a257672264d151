"""The E-mails tab: the outbox, and the retry of e-mails that were not accepted, as by the command `emails retry`."""

from aiohttp import web
from yarl import URL

from service.admin import keys
from service.admin.console.audit_trail import back_to, changing
from service.admin.console.forms import ID_IN_PATH, Form, identifier, read_form, read_query
from service.admin.console.rendering import page
from service.storage import emails

ADDRESS = "/console/emails"


async def show(request: web.Request) -> web.Response:
    """One page of e-mails, newest first."""
    query = read_query(request)
    state = _state(query)
    rows = await emails.email_page(request.config_dict[keys.DATABASE], query.before(), state)
    return await page(
        request,
        "emails.html",
        "emails",
        rows=rows,
        state=state or "",
        states=emails.STATES,
        enabled=request.config_dict[keys.CONFIG].mandrill.enabled,
        filters=_filters(state),
        before=query.get("before").strip(),
    )


async def retry(request: web.Request) -> web.Response:
    """Make one e-mail due now, with its attempts counted from 0."""
    form, number = await read_form(request), identifier(request.match_info["id"])
    details: dict[str, object] = {"emails": [number]}
    async with changing(request, "retry e-mails", details) as connection:
        details["count"] = len(await emails.retry_emails(connection, [number]))
        if not details["count"]:
            raise web.HTTPConflict(
                text=f"E-mail {number} is already accepted, is being sent, or does not exist. Nothing was changed."
            )
    raise back_to(request, _address(form), f"E-mail {number} will be sent by the running service.")


async def retry_all(request: web.Request) -> web.Response:
    """Make every e-mail due now that is dead or waits for a retry."""
    form = await read_form(request)
    details: dict[str, object] = {"emails": "all"}
    async with changing(request, "retry e-mails", details) as connection:
        details["count"] = count = len(await emails.retry_emails(connection, None))
    text = f"{count} e-mail{'' if count == 1 else 's'} will be sent by the running service."
    raise back_to(request, _address(form), text)


def _state(form: Form) -> str | None:
    return form.get("state") if form.get("state") in emails.STATES else None


def _filters(state: str | None) -> dict[str, str]:
    return {} if state is None else {"state": state}


def _address(form: Form) -> str:
    """The address of the list with the same filter."""
    before = {"before": form.get("before")} if form.get("before") else {}
    return str(URL(ADDRESS).with_query(_filters(_state(form)) | before))


ROUTES = (
    web.get("/emails", show),
    web.post("/emails/retry", retry_all),
    web.post(f"/emails/{ID_IN_PATH}/retry", retry),
)
