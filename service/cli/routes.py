"""`routes`: deploy and withdraw services and their routes."""

import asyncpg
import click

from service.cli.actions import action_routes
from service.cli.database import run
from service.cli.options import ConfiguredGroup
from service.cli.output import print_table
from service.config import Config
from service.storage import registry

Name = tuple[str, ...]


class _Name(click.ParamType[Name]):
    """The name of a route, `service/version/action`; of all routes, `service/version`; or of a service, `service`."""

    name = "service[/version[/action]]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Name:
        """Return the parts of the name."""
        parts = tuple(value.split("/"))
        if len(parts) > len(("service", "version", "action")) or not all(parts):
            self.fail(
                f"{value!r} is not a name such as requirements/v1/create, requirements/v1 or requirements", param, ctx
            )
        return parts


@click.group(cls=ConfiguredGroup)
def routes() -> None:
    """Deploy and withdraw routes such as requirements/v1/create, and services such as requirements."""


@routes.command("list")
@click.pass_obj
def list_routes(config: Config) -> None:
    """List all services and their routes."""
    rows = run(registry.list_registry, config)
    print_table(
        ("service", "deployed at", "route", "deployed at", "sensitive params"),
        (
            (
                row["service"],
                row["service_deployed_at"],
                _path(row),
                row["deployed_at"],
                row["sensitive_params"],
            )
            for row in rows
        ),
    )


def _path(row: asyncpg.Record) -> str | None:
    return row["action"] and f"{row['version']}/{row['action']}"


@routes.command()
@click.argument("name", type=_Name())
@click.option("--sensitive-params/--plain-params", default=None, help="Whether params must be base64 encoded.")
@click.pass_obj
def deploy(config: Config, name: Name, sensitive_params: bool | None) -> None:
    """Deploy NAME: a route, all routes of a version, or a service. Records that do not exist are created."""
    if len(name) == 1:
        run(lambda c: registry.deploy_service(c, name[0]), config)
        click.echo(f"deployed {name[0]}")
        return
    routes_named = _routes(name)
    run(lambda c: registry.deploy_routes(c, routes_named, sensitive_params=sensitive_params), config)
    for route in routes_named:
        click.echo(f"deployed {'/'.join(route)}")


def _routes(name: Name) -> list[registry.RouteName]:
    """The routes of a name: itself, or those of all actions of this build that belong to it."""
    match name:
        case (service, version, action):
            return [(service, version, action)]
        case _:
            known = [route for route in action_routes() if route[:2] == name]
    if not known:
        raise click.ClickException(f"this build has no actions of {'/'.join(name)}")
    return known


@routes.command()
@click.argument("name", type=_Name())
@click.pass_obj
def withdraw(config: Config, name: Name) -> None:
    """Withdraw NAME: a route, all routes of a version, or a service. The records are kept."""
    found: list[Name]
    if len(name) == 1:
        found = [name] if run(lambda c: registry.withdraw_service(c, name[0]), config) else []
    else:
        routes_named = _routes(name)
        found = [*run(lambda c: registry.withdraw_routes(c, routes_named), config)]
    if not found:
        raise click.ClickException(f"there is no record of {'/'.join(name)}: see `routes list`")
    for withdrawn in found:
        click.echo(f"withdrew {'/'.join(withdrawn)}")
