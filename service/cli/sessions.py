"""`sessions`: open, list, revoke and purge them."""

import click

from service.cli.database import run
from service.cli.options import ConfiguredGroup
from service.cli.output import print_table
from service.config import Config
from service.domain.references import MAX_ID
from service.storage import operating

DEFAULT_LIMIT = 50


@click.group(cls=ConfiguredGroup)
def sessions() -> None:
    """Open, list, revoke and purge sessions."""


@sessions.command()
@click.argument("email")
@click.option("--application", help="The slug of the application that it is opened in.")
@click.option("--remember-me", is_flag=True, help="It never expires.")
@click.pass_obj
def create(config: Config, email: str, application: str | None, remember_me: bool) -> None:
    """Open a session of the user EMAIL; its token is shown this once."""
    opened = run(lambda c: operating.create_session(c, email, application, remember_me=remember_me), config)
    if opened is None:
        raise click.ClickException(
            f"there is no user {email}" + (f" or no application {application}" if application else "")
        )
    session_id, token = opened
    click.echo(f"session {session_id} of {email}, its token shown only now:", err=True)
    click.echo(token)


@sessions.command("list")
@click.option("--user", "email", help="Only the sessions of this e-mail address.")
@click.option("--limit", type=click.IntRange(min=1), default=DEFAULT_LIMIT, show_default=True)
@click.pass_obj
def list_sessions(config: Config, email: str | None, limit: int) -> None:
    """The latest sessions."""
    rows = run(lambda c: operating.list_sessions(c, email, limit), config)
    columns = ("id", "email", "application", "remember_me", "created_at", "last_used_at", "revoked_at")
    print_table(
        [column.replace("_", " ") for column in columns],
        ([row[column] for column in columns] for row in rows),
    )


@sessions.command()
@click.argument("session_id", type=click.IntRange(1, MAX_ID), required=False)
@click.option("--user", "email", help="Every live session of this e-mail address instead.")
@click.pass_obj
def revoke(config: Config, session_id: int | None, email: str | None) -> None:
    """Revoke one session, or all of a user."""
    if (session_id is None) == (email is None):
        raise click.UsageError("give either the id of a session or --user")
    if email is not None:
        if run(lambda c: operating.find_user(c, email), config) is None:
            raise click.ClickException(f"there is no user {email}")
        count = run(lambda c: operating.revoke_user_sessions(c, email), config)
        click.echo(f"revoked {count} session{'' if count == 1 else 's'} of {email}")
    elif run(lambda c: operating.revoke_session(c, session_id or 0), config):
        click.echo(f"revoked session {session_id}")
    else:
        raise click.ClickException(f"there is no session {session_id}")


@sessions.command()
@click.pass_obj
def purge(config: Config) -> None:
    """Delete sessions that ended longer ago than retention.expired_sessions_days."""
    count = run(lambda c: operating.purge_sessions(c, config.retention), config)
    click.echo(f"deleted {count} session{'' if count == 1 else 's'}")
