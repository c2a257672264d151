"""`demo`: demo records, to try the service with."""

import json
from urllib.parse import urlsplit

import click

from service.cli.actions import action_path, action_routes
from service.cli.database import run
from service.cli.options import ConfiguredCommand
from service.config import Config
from service.storage.demo import Demo, make_demo


@click.command(cls=ConfiguredCommand)
@click.option("--yes", is_flag=True, help="Allow writing to a database that is not the embedded one.")
@click.pass_obj
def demo(config: Config, yes: bool) -> None:
    """Create demo records and new demo tokens, revoke earlier ones, and print a request that works."""
    if config.database.url is not None and not yes:
        place = urlsplit(config.database.url).hostname or "DATABASE_URL"
        raise click.UsageError(f"this writes demo records into the database at {place}: confirm with --yes")
    show_demo(run(lambda c: make_demo(c, action_routes()), config), base_url(config.server.host, config.server.port))


def show_demo(made: Demo, url: str) -> None:
    """Print the demo's tokens and a request that works."""
    params = {
        "token": made.application_token,
        "required": {"type": "Service", "id": made.service_id},
        "requireable": {"type": "Application", "id": made.application_id},
        "key": "tier",
        "value": "gold",
    }
    click.echo(f"API                {url}, described at {url}/docs")
    click.echo(f"application token  {made.application_token}")
    click.echo(f"session token      {made.session_token}")
    click.echo(f"curl -sS {url}{action_path('create')} -H 'Content-Type: application/json' -d '{json.dumps(params)}'")


def show_console(password: str, url: str) -> None:
    """Print the address of the console and its password."""
    click.echo(f"console            {url} with the password {password}")


def base_url(host: str, port: int) -> str:
    """The URL of the API on this machine."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
