"""`sessions`: sessions of users."""

import click

from service.cli.database import run
from service.cli.options import ConfiguredGroup, limit_option
from service.cli.output import counted, print_records
from service.config import Config
from service.domain.references import MAX_ID
from service.storage import sessions as stored
from service.storage.retention import purge_sessions
from service.storage.users import find_user


@click.group(cls=ConfiguredGroup)
def sessions() -> None:
    """Open, list, revoke and purge sessions."""


@sessions.command()
@click.argument("email")
@click.option("--application", help="Slug of the application that the session is opened in.")
@click.option("--remember-me", is_flag=True, help="The session never expires.")
@click.pass_obj
def create(config: Config, email: str, application: str | None, remember_me: bool) -> None:
    """Open a session of the user EMAIL. Its token is shown only once."""
    opened = run(lambda c: stored.create_session(c, email, application, remember_me=remember_me), config)
    if opened is None:
        raise click.ClickException(
            f"there is no user {email}" + (f" or no application {application}" if application else "")
        )
    session_id, token = opened
    click.echo(f"session {session_id} of {email}, token shown only once:", err=True)
    click.echo(token)


@sessions.command("list")
@click.option("--user", "email", help="List only the sessions of this e-mail address.")
@limit_option
@click.pass_obj
def list_sessions(config: Config, email: str | None, limit: int) -> None:
    """List the latest sessions."""
    page = run(lambda c: stored.list_sessions(c, email=email, size=limit), config)
    print_records(page.rows, "id", "email", "application", "remember_me", "created_at", "last_used_at", "revoked_at")


@sessions.command()
@click.argument("session_id", type=click.IntRange(1, MAX_ID), required=False)
@click.option("--user", "email", help="Revoke every live session of this e-mail address.")
@click.pass_obj
def revoke(config: Config, session_id: int | None, email: str | None) -> None:
    """Revoke one session, or all sessions of a user."""
    if (session_id is None) == (email is None):
        raise click.UsageError("give either the id of a session or --user")
    if email is not None:
        if run(lambda c: find_user(c, email), config) is None:
            raise click.ClickException(f"there is no user {email}")
        count = run(lambda c: stored.revoke_user_sessions(c, email), config)
        click.echo(f"revoked {counted(count, 'session')} of {email}")
    elif run(lambda c: stored.revoke_session(c, session_id or 0), config):
        click.echo(f"revoked session {session_id}")
    else:
        raise click.ClickException(f"there is no session {session_id}")


@sessions.command()
@click.pass_obj
def purge(config: Config) -> None:
    """Delete sessions that ended more than retention.expired_sessions_days ago."""
    count = run(lambda c: purge_sessions(c, config.retention), config)
    click.echo(f"deleted {counted(count, 'session')}")
