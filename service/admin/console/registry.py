"""The Registry tab: deploy and withdraw services and routes."""

from itertools import groupby

from aiohttp import web

from service.admin import keys
from service.admin.console.audit_trail import back_to, changing
from service.admin.console.forms import Form, read_form
from service.admin.console.rendering import page
from service.domain.operator_input import ROUTE_PARTS, InvalidInput, RegistryName, deployable, registry_name
from service.storage import registry

ADDRESS = "/console/registry"

SENSITIVE = {"": None, "yes": True, "no": False}


async def show(request: web.Request) -> web.Response:
    """Every service with its routes."""
    rows = await registry.list_registry(request.config_dict[keys.DATABASE])
    services = [
        {"name": name, "deployed_at": deployed_at, "routes": [row for row in routes if row["action"] is not None]}
        for (name, deployed_at), routes in groupby(rows, key=lambda row: (row["service"], row["service_deployed_at"]))
    ]
    return await page(request, "registry.html", "registry", services=services)


async def deploy(request: web.Request) -> web.Response:
    """Deploy a route with its service, or a service alone. Missing records are created."""
    form = await read_form(request)
    parts = _parts(form)
    known = request.config_dict[keys.ROUTES]
    try:
        deployable(parts, known)
    except InvalidInput as error:
        raise web.HTTPBadRequest(text=f"{'/'.join(parts)} {error}.") from None
    sensitive = SENSITIVE.get(form.get("sensitive_params"))
    details = {"name": "/".join(parts), "sensitive_params": sensitive}
    async with changing(request, "deploy", details) as connection:
        if len(parts) == ROUTE_PARTS:
            await registry.deploy_route(connection, (parts[0], parts[1], parts[2]), sensitive_params=sensitive)
        else:
            await registry.deploy_service(connection, parts[0])
    raise back_to(request, ADDRESS, f"Deployed {'/'.join(parts)}.")


async def withdraw(request: web.Request) -> web.Response:
    """Withdraw a route or a service. Its record is kept."""
    parts = _parts(await read_form(request))
    async with changing(request, "withdraw", {"name": "/".join(parts)}) as connection:
        if len(parts) == ROUTE_PARTS:
            found = await registry.withdraw_route(connection, (parts[0], parts[1], parts[2]))
        else:
            found = await registry.withdraw_service(connection, parts[0])
        if not found:
            raise web.HTTPNotFound
    raise back_to(request, ADDRESS, f"Withdrew {'/'.join(parts)}.")


async def forget(request: web.Request) -> web.Response:
    """Delete the record of a route. The page offers it for withdrawn routes."""
    parts = _parts(await read_form(request))
    if len(parts) != ROUTE_PARTS:
        raise web.HTTPBadRequest(text="Only the record of a route can be deleted.")
    database, actor = request.config_dict[keys.DATABASE], request[keys.LOGIN].name
    if not await registry.forget_route(database, parts[0], parts[1], parts[2], actor):
        raise web.HTTPNotFound
    raise back_to(request, ADDRESS, f"Deleted the record of {'/'.join(parts)}.")


def _parts(form: Form) -> RegistryName:
    """The parts of a name: `service`, or `service/version/action`. Raises HTTP 400 for any other form."""
    parts = form.checked("name", "The name", registry_name)
    if len(parts) not in (1, ROUTE_PARTS):
        raise web.HTTPBadRequest(
            text="Enter a route such as requirements/v1/create, or a service such as requirements."
        )
    return parts


ROUTES = (
    web.get("/registry", show),
    web.post("/registry/deploy", deploy),
    web.post("/registry/withdraw", withdraw),
    web.post("/registry/forget", forget),
)
