"""`routes`: deploy, withdraw and forget services and their routes."""

import asyncpg
import click

from service.cli.actions import action_routes
from service.cli.database import actor, change, run
from service.cli.options import ConfiguredGroup
from service.cli.output import print_table
from service.cli.param_types import REGISTRY_NAME
from service.config import Config
from service.domain.operator_input import ROUTE_PARTS, InvalidInput, RegistryName, deployable
from service.storage import registry


@click.group(cls=ConfiguredGroup)
def routes() -> None:
    """Deploy, withdraw and forget routes such as requirements/v1/create, and services such as requirements."""


@routes.command("list")
@click.pass_obj
def list_routes(config: Config) -> None:
    """List all services and their routes. A route that is not in this build is never answered by it."""
    rows = run(registry.list_registry, config)
    known = action_routes()
    print_table(
        ("service", "deployed at", "route", "deployed at", "sensitive params", "in this build"),
        (
            (
                row["service"],
                row["service_deployed_at"],
                row["action"] and f"{row['version']}/{row['action']}",
                row["deployed_at"],
                row["sensitive_params"],
                row["action"] and (row["service"], row["version"], row["action"]) in known,
            )
            for row in rows
        ),
    )


@routes.command()
@click.argument("name", type=REGISTRY_NAME)
@click.option("--sensitive-params/--plain-params", default=None, help="Whether params must be base64 encoded.")
@click.pass_context
def deploy(context: click.Context, name: RegistryName, sensitive_params: bool | None) -> None:
    """Deploy NAME: a route, all routes of a version, or a service. Records that do not exist are created."""
    known = action_routes()
    try:
        deployable(name, known)
    except InvalidInput as error:
        raise click.UsageError(f"{'/'.join(name)} {error}", context) from None
    named = [name] if len(name) != ROUTE_PARTS - 1 else [route for route in known if route[:2] == name]

    async def work(connection: asyncpg.Connection) -> None:
        if len(name) == 1:
            await registry.deploy_service(connection, name[0])
        else:
            await registry.deploy_routes(connection, map(_route, named), sensitive_params=sensitive_params)

    change(work, context.obj, "deploy", {"name": "/".join(name), "sensitive_params": sensitive_params})
    for deployed in named:
        answered = any(route[: len(deployed)] == deployed for route in known)
        click.echo(f"deployed {'/'.join(deployed)}{'' if answered else ', which this build does not answer'}")


def _route(name: RegistryName) -> registry.RouteName:
    service, version, action = name
    return service, version, action


@routes.command()
@click.argument("name", type=REGISTRY_NAME)
@click.pass_obj
def withdraw(config: Config, name: RegistryName) -> None:
    """Withdraw NAME: a route, all routes of a version, or a service. The records are kept."""

    async def work(connection: asyncpg.Connection) -> list[RegistryName]:
        found: list[RegistryName]
        if len(name) == 1:
            found = [name] if await registry.withdraw_service(connection, name[0]) else []
        else:
            found = [*await registry.withdraw_routes(connection, await _recorded(connection, name))]
        if not found:
            raise _no_record(name)
        return found

    for withdrawn in change(work, config, "withdraw", {"name": "/".join(name)}):
        click.echo(f"withdrew {'/'.join(withdrawn)}")


async def _recorded(connection: asyncpg.Connection, name: RegistryName) -> list[registry.RouteName]:
    """The routes of a name that have a record: itself, or all of its version."""
    return [route for route in await registry.load_registry(connection) if route[: len(name)] == name]


@routes.command()
@click.argument("name", type=REGISTRY_NAME)
@click.pass_obj
def forget(config: Config, name: RegistryName) -> None:
    """Delete the record of NAME: a route, or a service that has no routes."""
    match name:
        case (service, version, action):
            found = run(lambda c: registry.forget_route(c, service, version, action, actor()), config)
        case (service,):
            found = run(lambda c: _forget_service(c, service), config)
        case _:
            raise click.UsageError(f"{'/'.join(name)} is not one route: see `routes list`")
    if not found:
        raise _no_record(name)
    click.echo(f"forgot {'/'.join(name)}")


async def _forget_service(connection: asyncpg.Connection, service: str) -> bool:
    if await _recorded(connection, (service,)):
        raise click.ClickException(f"{service} has routes: forget them first, see `routes list`")
    return await registry.forget_service(connection, service, actor())


def _no_record(name: RegistryName) -> click.ClickException:
    return click.ClickException(f"there is no record of {'/'.join(name)}: see `routes list`")
