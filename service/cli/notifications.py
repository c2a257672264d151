"""`notifications`: what went wrong, and that somebody has seen it."""

from collections.abc import Sequence

import click

from service.cli.database import run
from service.cli.options import ConfiguredGroup
from service.cli.output import print_table
from service.config import Config
from service.domain.references import MAX_ID
from service.storage import notifications as stored

DEFAULT_LIMIT = 50


@click.group(cls=ConfiguredGroup)
def notifications() -> None:
    """Show and acknowledge what went wrong: crashes, and e-mails that were not accepted."""


@notifications.command("list")
@click.option("--unread", is_flag=True, help="Only those that nobody has acknowledged.")
@click.option("--kind", help="Only those of this kind.")
@click.option("--limit", type=click.IntRange(min=1), default=DEFAULT_LIMIT, show_default=True)
@click.pass_obj
def list_notifications(config: Config, unread: bool, kind: str | None, limit: int) -> None:
    """The latest notifications."""
    rows = run(lambda c: stored.list_notifications(c, limit, unread=unread, kind=kind), config)
    columns = ("id", "kind", "count", "created_at", "acknowledged_at", "request_id", "message")
    print_table(
        [column.replace("_", " ") for column in columns],
        ([row[column] for column in columns] for row in rows),
    )


@notifications.command()
@click.argument("notification_ids", type=click.IntRange(1, MAX_ID), nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every unread notification.")
@click.pass_obj
def acknowledge(config: Config, notification_ids: Sequence[int], everything: bool) -> None:
    """Mark notifications as read: those with these ids, or all."""
    if bool(notification_ids) == everything:
        raise click.UsageError("give either ids of notifications or --all")
    marked = run(lambda c: stored.acknowledge_notifications(c, None if everything else notification_ids), config)
    if notification_ids and not marked:
        raise click.ClickException("there is no such unread notification: `notifications list` shows what there is")
    click.echo(f"acknowledged {len(marked)} notification{'' if len(marked) == 1 else 's'}")
