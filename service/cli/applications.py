"""`applications`: applications and their tokens."""

import asyncpg
import click

from service.cli.database import change, run
from service.cli.options import ConfiguredGroup
from service.cli.output import counted, print_records, show_before_commit
from service.cli.param_types import LINE, SLUG, TEXT
from service.config import Config
from service.domain.references import MAX_ID
from service.storage import applications as stored


@click.group(cls=ConfiguredGroup)
def applications() -> None:
    """Create applications; issue and revoke their tokens."""


def _not_found(slug: str) -> click.ClickException:
    return click.ClickException(f"there is no application {slug}: see `applications list`")


@applications.command()
@click.argument("slug", type=SLUG)
@click.option("--name", type=LINE, help="Name to display. Default: the slug.")
@click.pass_obj
def create(config: Config, slug: str, name: str | None) -> None:
    """Create the application SLUG."""

    async def work(connection: asyncpg.Connection) -> int:
        application_id = await stored.create_application(connection, slug, name or slug)
        if application_id is None:
            raise click.ClickException(f"application {slug} already exists")
        return application_id

    application_id = change(work, config, "create application", {"application": slug, "name": name or slug})
    click.echo(f"created application {application_id}, {slug}: issue a token with `applications token {slug}`")


@applications.command("list")
@click.pass_obj
def list_applications(config: Config) -> None:
    """List all applications."""
    page = run(lambda c: stored.list_applications(c, size=None), config)
    print_records(page.rows, "id", "slug", "name", "active", "live_tokens", "created_at")


@applications.command()
@click.argument("slug", type=TEXT)
@click.pass_obj
def token(config: Config, slug: str) -> None:
    """Issue a token for SLUG. It is shown only once; if it cannot be shown, none is issued."""
    details: dict[str, object] = {"application": slug}

    async def work(connection: asyncpg.Connection) -> None:
        issued = await stored.issue_application_token(connection, slug)
        if issued is None:
            raise _not_found(slug)
        details["token"], text = issued
        click.echo(f"token {details['token']} of {slug}, shown only once:", err=True)
        show_before_commit(text, undone="no token was issued")

    change(work, config, "issue token", details)


@applications.command()
@click.argument("slug", type=TEXT)
@click.option("--token", "token_id", type=click.IntRange(1, MAX_ID), help="Id of one token. Default: all live tokens.")
@click.pass_obj
def revoke(config: Config, slug: str, token_id: int | None) -> None:
    """Revoke tokens of SLUG."""

    async def work(connection: asyncpg.Connection) -> int:
        count = await stored.revoke_application_tokens(connection, slug, token_id)
        if count == 0:
            raise click.ClickException(f"{slug} has no such live token")
        return count

    count = change(work, config, "revoke tokens", {"application": slug, "token": token_id or "all"})
    click.echo(f"revoked {counted(count, 'token')} of {slug}")


@applications.command()
@click.argument("slug", type=TEXT)
@click.pass_obj
def deactivate(config: Config, slug: str) -> None:
    """Deactivate SLUG: refuse its tokens and the sessions opened in it."""
    _set_active(config, slug, active=False)
    click.echo(f"deactivated {slug}")


@applications.command()
@click.argument("slug", type=TEXT)
@click.pass_obj
def activate(config: Config, slug: str) -> None:
    """Activate SLUG again."""
    _set_active(config, slug, active=True)
    click.echo(f"activated {slug}")


def _set_active(config: Config, slug: str, *, active: bool) -> None:
    async def work(connection: asyncpg.Connection) -> None:
        if not await stored.set_application_active(connection, slug, active=active):
            raise _not_found(slug)

    change(work, config, f"{'activate' if active else 'deactivate'} application", {"application": slug})
