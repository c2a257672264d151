"""`users`: those whom sessions belong to."""

import asyncpg
import click

from service.cli.configured import ConfiguredGroup
from service.cli.running import run
from service.cli.words import WORD
from service.config import Config
from service.storage import operating


@click.group(cls=ConfiguredGroup)
def users() -> None:
    """Make users."""


@users.command()
@click.argument("email", type=WORD)
@click.option("--role", "roles", multiple=True, type=click.Choice(operating.ROLES), help="May be given several times.")
@click.pass_obj
def create(config: Config, email: str, roles: tuple[str, ...]) -> None:
    """Make the user EMAIL, with any roles given."""

    async def work(connection: asyncpg.Connection) -> int | None:
        async with connection.transaction():
            user_id = await operating.create_user(connection, email)
            if user_id is None:
                return None
            for role in roles:
                await operating.give_role(connection, user_id, role)
        return user_id

    if run(work, config) is None:
        raise click.ClickException(f"there is a user {email} already")
    click.echo(f"created {email}: open a session with `sessions create {email}`")
