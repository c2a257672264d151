"""`applications`: those who call, and their tokens."""

import click

from service.cli.database import run
from service.cli.options import ConfiguredGroup
from service.cli.output import print_table
from service.cli.param_types import WORD
from service.config import Config
from service.domain.references import MAX_ID
from service.storage import operating


@click.group(cls=ConfiguredGroup)
def applications() -> None:
    """Make applications, issue and revoke their tokens."""


def _unknown(slug: str) -> click.ClickException:
    return click.ClickException(f"there is no application {slug}: `applications list` shows what there is")


@applications.command()
@click.argument("slug", type=WORD)
@click.option("--name", type=WORD, help="For people to read; the slug if none is given.")
@click.pass_obj
def create(config: Config, slug: str, name: str | None) -> None:
    """Make the application SLUG."""
    application_id = run(lambda c: operating.create_application(c, slug, name or slug), config)
    if application_id is None:
        raise click.ClickException(f"there is an application {slug} already")
    click.echo(f"created application {application_id}, {slug}: issue a token with `applications token {slug}`")


@applications.command("list")
@click.pass_obj
def list_applications(config: Config) -> None:
    """Every application."""
    rows = run(operating.list_applications, config)
    columns = ("id", "slug", "name", "active", "live_tokens", "created_at")
    print_table(
        [column.replace("_", " ") for column in columns],
        ([row[column] for column in columns] for row in rows),
    )


@applications.command()
@click.argument("slug")
@click.pass_obj
def token(config: Config, slug: str) -> None:
    """Issue a token for SLUG; it is shown this once."""
    issued = run(lambda c: operating.issue_application_token(c, slug), config)
    if issued is None:
        raise _unknown(slug)
    token_id, text = issued
    click.echo(f"token {token_id} of {slug}, shown only now:", err=True)
    click.echo(text)


@applications.command()
@click.argument("slug")
@click.option(
    "--token", "token_id", type=click.IntRange(1, MAX_ID), help="The id of one token; all live ones if none is given."
)
@click.pass_obj
def revoke(config: Config, slug: str, token_id: int | None) -> None:
    """Revoke tokens of SLUG."""
    count = run(lambda c: operating.revoke_application_tokens(c, slug, token_id), config)
    if count == 0:
        raise click.ClickException(f"{slug} has no such live token")
    click.echo(f"revoked {count} token{'s' if count > 1 else ''} of {slug}")


@applications.command()
@click.argument("slug")
@click.pass_obj
def deactivate(config: Config, slug: str) -> None:
    """Switch SLUG off, its tokens and the sessions opened in it with it."""
    if not run(lambda c: operating.set_application_active(c, slug, active=False), config):
        raise _unknown(slug)
    click.echo(f"deactivated {slug}")


@applications.command()
@click.argument("slug")
@click.pass_obj
def activate(config: Config, slug: str) -> None:
    """Switch SLUG on again."""
    if not run(lambda c: operating.set_application_active(c, slug, active=True), config):
        raise _unknown(slug)
    click.echo(f"activated {slug}")
