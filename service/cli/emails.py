"""`emails`: what became of them, and another go for those that were not accepted."""

from collections.abc import Sequence

import click

from service.cli.database import run
from service.cli.options import ConfiguredGroup
from service.cli.output import print_table
from service.config import Config
from service.domain.references import MAX_ID
from service.storage import emails as outbox

DEFAULT_LIMIT = 50


@click.group(cls=ConfiguredGroup)
def emails() -> None:
    """Show the e-mails on new requirements, and have them tried again."""


@emails.command("list")
@click.option("--state", type=click.Choice(outbox.STATES), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(min=1), default=DEFAULT_LIMIT, show_default=True)
@click.pass_obj
def list_emails(config: Config, state: str | None, limit: int) -> None:
    """The latest e-mails."""
    rows = run(lambda c: outbox.list_emails(c, state, limit), config)
    print_table(
        ("id", "requirement", "state", "attempts", "accepted", "created at", "sent at", "next attempt", "last error"),
        (
            (
                row["id"],
                row["requirement_id"],
                "sending" if row["sending"] and row["state"] == "pending" else row["state"],
                row["attempts"],
                f"{len(row['accepted'])} of {len(row['recipients'])}",
                row["created_at"],
                row["sent_at"],
                row["leased_until"] if row["state"] == "pending" else None,
                row["last_error"],
            )
            for row in rows
        ),
    )


@emails.command()
@click.argument("email_ids", type=click.IntRange(1, MAX_ID), nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every e-mail that is dead, or waits for its next attempt.")
@click.pass_obj
def retry(config: Config, email_ids: Sequence[int], everything: bool) -> None:
    """Have e-mails tried at once and anew: those with these ids that were not accepted, or all such."""
    if bool(email_ids) == everything:
        raise click.UsageError("give either ids of e-mails or --all")
    retried = run(lambda c: outbox.retry_emails(c, None if everything else email_ids), config)
    for email_id in sorted(set(email_ids) - set(retried)):
        click.echo(f"e-mail {email_id} is accepted already, is being sent, or does not exist", err=True)
    if email_ids and not retried:
        raise click.ClickException("there is nothing to retry: `emails list` shows what there is")
    click.echo(f"{len(retried)} e-mail{'' if len(retried) == 1 else 's'} will be sent by the running service")
