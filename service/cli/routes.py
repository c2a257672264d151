"""`routes`: deploy and withdraw services and their routes."""

import asyncpg
import click

from service.cli.database import run
from service.cli.options import ConfiguredGroup
from service.cli.output import print_table
from service.config import Config
from service.storage import registry

Name = tuple[str, ...]


class _Name(click.ParamType[Name]):
    """The name of a route, `service/version/action`, or of a service, `service`."""

    name = "service[/version/action]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Name:
        """Return the parts of the name."""
        parts = tuple(value.split("/"))
        if len(parts) not in (1, 3) or not all(parts):
            self.fail(
                f"{value!r} is not a name such as requirements/v1/create, or requirements for a service",
                param,
                ctx,
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
    """Deploy NAME. Records that do not exist are created."""
    match name:
        case (service, version, action):
            route = (service, version, action)
            run(lambda c: registry.deploy_route(c, route, sensitive_params=sensitive_params), config)
        case (service,):
            run(lambda c: registry.deploy_service(c, service), config)
    click.echo(f"deployed {'/'.join(name)}")


@routes.command()
@click.argument("name", type=_Name())
@click.pass_obj
def withdraw(config: Config, name: Name) -> None:
    """Withdraw NAME. Its records are kept."""
    match name:
        case (service, version, action):
            route = (service, version, action)
            found = run(lambda c: registry.withdraw_route(c, route), config)
        case _:
            found = run(lambda c: registry.withdraw_service(c, name[0]), config)
    if not found:
        raise click.ClickException(f"there is no record of {'/'.join(name)}: see `routes list`")
    click.echo(f"withdrew {'/'.join(name)}")
