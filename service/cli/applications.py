"""`applications`: applications and their tokens."""

import click

from service.cli.database import run
from service.cli.options import ConfiguredGroup
from service.cli.output import counted, print_records
from service.cli.param_types import WORD
from service.config import Config
from service.domain.references import MAX_ID
from service.storage import applications as stored


@click.group(cls=ConfiguredGroup)
def applications() -> None:
    """Create applications; issue and revoke their tokens."""


def _not_found(slug: str) -> click.ClickException:
    return click.ClickException(f"there is no application {slug}: see `applications list`")


@applications.command()
@click.argument("slug", type=WORD)
@click.option("--name", type=WORD, help="Name to display. Default: the slug.")
@click.pass_obj
def create(config: Config, slug: str, name: str | None) -> None:
    """Create the application SLUG."""
    application_id = run(lambda c: stored.create_application(c, slug, name or slug), config)
    if application_id is None:
        raise click.ClickException(f"application {slug} already exists")
    click.echo(f"created application {application_id}, {slug}: issue a token with `applications token {slug}`")


@applications.command("list")
@click.pass_obj
def list_applications(config: Config) -> None:
    """List all applications."""
    page = run(lambda c: stored.list_applications(c, size=None), config)
    print_records(page.rows, "id", "slug", "name", "active", "live_tokens", "created_at")


@applications.command()
@click.argument("slug")
@click.pass_obj
def token(config: Config, slug: str) -> None:
    """Issue a token for SLUG. It is shown only once."""
    issued = run(lambda c: stored.issue_application_token(c, slug), config)
    if issued is None:
        raise _not_found(slug)
    token_id, text = issued
    click.echo(f"token {token_id} of {slug}, shown only once:", err=True)
    click.echo(text)


@applications.command()
@click.argument("slug")
@click.option("--token", "token_id", type=click.IntRange(1, MAX_ID), help="Id of one token. Default: all live tokens.")
@click.pass_obj
def revoke(config: Config, slug: str, token_id: int | None) -> None:
    """Revoke tokens of SLUG."""
    count = run(lambda c: stored.revoke_application_tokens(c, slug, token_id), config)
    if count == 0:
        raise click.ClickException(f"{slug} has no such live token")
    click.echo(f"revoked {counted(count, 'token')} of {slug}")


@applications.command()
@click.argument("slug")
@click.pass_obj
def deactivate(config: Config, slug: str) -> None:
    """Deactivate SLUG: refuse its tokens and the sessions opened in it."""
    if not run(lambda c: stored.set_application_active(c, slug, active=False), config):
        raise _not_found(slug)
    click.echo(f"deactivated {slug}")


@applications.command()
@click.argument("slug")
@click.pass_obj
def activate(config: Config, slug: str) -> None:
    """Activate SLUG again."""
    if not run(lambda c: stored.set_application_active(c, slug, active=True), config):
        raise _not_found(slug)
    click.echo(f"activated {slug}")
