"""`demo`: demo records, to try the service with."""

import json

import asyncpg
import click

from service.cli.actions import action_path, action_routes
from service.cli.database import actor, change
from service.cli.options import ConfiguredCommand
from service.cli.output import show_before_commit
from service.config import Config
from service.config.database_url import parse_database_url
from service.storage.audit import audited
from service.storage.demo import Demo, make_demo


@click.command(cls=ConfiguredCommand)
@click.option("--yes", is_flag=True, help="Allow writing to a database that is not the embedded one.")
@click.pass_obj
def demo(config: Config, yes: bool) -> None:
    """Create demo records and new demo tokens, revoke earlier ones, and print a request that works."""
    if config.database.url is not None and not yes:
        place = parse_database_url(config.database.url).place
        raise click.UsageError(f"this writes demo records into the database at {place}: confirm with --yes")
    url = base_url(config.server.host, config.server.port)

    async def work(connection: asyncpg.Connection) -> None:
        made = await make_demo(connection, action_routes())
        show_before_commit(*demo_lines(made, url), undone="no tokens were issued, and the earlier ones are not revoked")

    change(work, config, "make demo", {}, may_create=True)


async def make_audited_demo(connection: asyncpg.Connection) -> Demo:
    """Make the demo of all actions, with a record in the audit. The caller shows its tokens. Raises `DatabaseError`."""
    async with audited(connection, actor(), "make demo", {}) as transaction:
        return await make_demo(transaction, action_routes())


def show_demo(made: Demo, url: str) -> None:
    """Print the demo's tokens and a request that works."""
    for line in demo_lines(made, url):
        click.echo(line)


def demo_lines(made: Demo, url: str) -> list[str]:
    """The lines that show the demo's tokens and a request that works."""
    params = {
        "token": made.application_token,
        "required": {"type": "Service", "id": made.service_id},
        "requireable": {"type": "Application", "id": made.application_id},
        "key": "tier",
        "value": "gold",
    }
    return [
        f"API                {url}, described at {url}/docs",
        f"application token  {made.application_token}",
        f"session token      {made.session_token}",
        f"curl -sS {url}{action_path('create')} -H 'Content-Type: application/json' -d '{json.dumps(params)}'",
    ]


def base_url(host: str, port: int) -> str:
    """The URL of the API on this machine."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
