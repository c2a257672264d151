"""`users`: users and their roles."""

import asyncpg
import click

from service.cli.database import change
from service.cli.options import ConfiguredGroup
from service.cli.param_types import EMAIL
from service.config import Config
from service.storage import users as stored


@click.group(cls=ConfiguredGroup)
def users() -> None:
    """Create users and give them roles."""


@users.command()
@click.argument("email", type=EMAIL)
@click.option("--role", "roles", multiple=True, type=click.Choice(stored.ROLES), help="May be given several times.")
@click.pass_obj
def create(config: Config, email: str, roles: tuple[str, ...]) -> None:
    """Create the user EMAIL with the roles given. If the user exists, give it the roles."""

    async def work(connection: asyncpg.Connection) -> int:
        user_id = await stored.create_user(connection, email)
        if user_id is None and not roles:
            raise click.ClickException(f"user {email} already exists: use --role to give it a role")
        user_id = user_id or await stored.find_user(connection, email)
        assert user_id is not None  # noqa: S101 - it was created, or existed before
        for role in roles:
            await stored.give_role(connection, user_id, role)
        return user_id

    user_id = change(work, config, "create user", {"user": email, "roles": list(roles)})
    held = ", ".join(roles) or "without a role: its sessions are refused with client-required until it has one"
    click.echo(f"user {user_id}, {email} ({held}): open a session with `sessions create {email}`")
