"""`users`: those whom sessions belong to."""

import asyncpg
import click

from service.cli.database import run
from service.cli.options import ConfiguredGroup
from service.cli.param_types import WORD
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
    """Make the user EMAIL, with any roles given; a user that is there already gets the roles."""

    async def work(connection: asyncpg.Connection) -> int | None:
        async with connection.transaction():
            user_id = await operating.create_user(connection, email)
            if user_id is None and not roles:
                return None
            user_id = user_id or await operating.find_user(connection, email)
            assert user_id is not None  # noqa: S101 - made, or there already
            for role in roles:
                await operating.give_role(connection, user_id, role)
        return user_id

    user_id = run(work, config)
    if user_id is None:
        raise click.ClickException(f"there is a user {email} already: name a --role to give it one")
    held = ", ".join(roles) or "without a role: sessions of it get client-required until it has one"
    click.echo(f"user {user_id}, {email} ({held}): open a session with `sessions create {email}`")
