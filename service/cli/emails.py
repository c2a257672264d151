"""`emails`: the e-mails on new requirements, and their retry."""

from collections.abc import Sequence

import asyncpg
import click

from service.cli.database import change, run
from service.cli.options import ConfiguredGroup, limit_option
from service.cli.output import counted, print_table
from service.config import Config
from service.domain.references import MAX_ID
from service.storage import emails as outbox


@click.group(cls=ConfiguredGroup)
def emails() -> None:
    """List and retry the e-mails on new requirements."""


@emails.command("list")
@click.option("--state", type=click.Choice(outbox.STATES), help="List only e-mails in this state.")
@limit_option
@click.pass_obj
def list_emails(config: Config, state: str | None, limit: int) -> None:
    """List the latest e-mails."""
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
@click.option("--all", "everything", is_flag=True, help="Retry every e-mail that is dead or waits for a retry.")
@click.pass_obj
def retry(config: Config, email_ids: Sequence[int], everything: bool) -> None:
    """Retry e-mails now, with their attempts counted from 0: those with these ids, or all that were not accepted."""
    if bool(email_ids) == everything:
        raise click.UsageError("give either ids of e-mails or --all")
    details: dict[str, object] = {"emails": sorted(set(email_ids)) or "all"}

    async def work(connection: asyncpg.Connection) -> list[int]:
        retried = await outbox.retry_emails(connection, None if everything else email_ids)
        for email_id in sorted(set(email_ids) - set(retried)):
            click.echo(f"e-mail {email_id} is already accepted, is being sent, or does not exist", err=True)
        if email_ids and not retried:
            raise click.ClickException("there is nothing to retry: see `emails list`")
        details["count"] = len(retried)
        return retried

    retried = change(work, config, "retry e-mails", details)
    click.echo(f"{counted(len(retried), 'e-mail')} will be sent by the running service")
