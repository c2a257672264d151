"""`sessions`: sessions of users."""

import asyncpg
import click

from service.cli.database import actor, change, run
from service.cli.options import ConfiguredGroup, limit_option
from service.cli.output import counted, print_records, show_before_commit
from service.cli.param_types import TEXT
from service.config import Config
from service.domain.references import MAX_ID
from service.storage import sessions as stored
from service.storage.retention import purge_sessions
from service.storage.users import find_user


@click.group(cls=ConfiguredGroup)
def sessions() -> None:
    """Open, list, revoke and purge sessions."""


@sessions.command()
@click.argument("email", type=TEXT)
@click.option("--application", type=TEXT, help="Slug of the application that the session is opened in.")
@click.option("--remember-me", is_flag=True, help="The session never expires.")
@click.pass_obj
def create(config: Config, email: str, application: str | None, remember_me: bool) -> None:
    """Open a session of the user EMAIL. Its token is shown only once; if it cannot be shown, no session is opened."""
    details: dict[str, object] = {"user": email, "application": application, "remember_me": remember_me}

    async def work(connection: asyncpg.Connection) -> None:
        opened = await stored.create_session(connection, email, application, remember_me=remember_me)
        if opened is None:
            raise click.ClickException(
                f"there is no user {email}" + (f" or no application {application}" if application else "")
            )
        details["session"], token = opened
        click.echo(f"session {details['session']} of {email}, token shown only once:", err=True)
        show_before_commit(token, undone="no session was opened")

    change(work, config, "open session", details)


@sessions.command("list")
@click.option("--user", "email", type=TEXT, help="List only the sessions of this e-mail address.")
@limit_option
@click.pass_obj
def list_sessions(config: Config, email: str | None, limit: int) -> None:
    """List the latest sessions."""
    page = run(lambda c: stored.list_sessions(c, email=email, size=limit), config)
    print_records(page.rows, "id", "email", "application", "remember_me", "created_at", "last_used_at", "revoked_at")


@sessions.command()
@click.argument("session_id", type=click.IntRange(1, MAX_ID), required=False)
@click.option("--user", "email", type=TEXT, help="Revoke every live session of this e-mail address.")
@click.pass_obj
def revoke(config: Config, session_id: int | None, email: str | None) -> None:
    """Revoke one session, or all sessions of a user."""
    if (session_id is None) == (email is None):
        raise click.UsageError("give either the id of a session or --user")
    if email is not None:
        count = _revoke_all(config, email)
        click.echo(f"revoked {counted(count, 'session')} of {email}")
    else:
        _revoke_one(config, session_id or 0)
        click.echo(f"revoked session {session_id}")


def _revoke_all(config: Config, email: str) -> int:
    details: dict[str, object] = {"user": email}

    async def work(connection: asyncpg.Connection) -> int:
        if await find_user(connection, email) is None:
            raise click.ClickException(f"there is no user {email}")
        details["count"] = count = await stored.revoke_user_sessions(connection, email)
        return count

    return change(work, config, "revoke sessions", details)


def _revoke_one(config: Config, session_id: int) -> None:
    async def work(connection: asyncpg.Connection) -> None:
        if not await stored.revoke_session(connection, session_id):
            raise click.ClickException(f"there is no session {session_id}")

    change(work, config, "revoke session", {"session": session_id})


@sessions.command()
@click.pass_obj
def purge(config: Config) -> None:
    """Delete sessions that ended more than retention.expired_sessions_days ago."""
    count = run(lambda c: purge_sessions(c, config.retention, actor()), config)
    click.echo(f"deleted {counted(count, 'session')}")
