"""`notifications`: crashes and failed e-mails, and their acknowledgement."""

from collections.abc import Sequence

import asyncpg
import click

from service.cli.database import change, run
from service.cli.options import ConfiguredGroup, limit_option
from service.cli.output import counted, print_records
from service.cli.param_types import TEXT
from service.config import Config
from service.domain.references import MAX_ID
from service.storage import notifications as stored


@click.group(cls=ConfiguredGroup)
def notifications() -> None:
    """List and acknowledge notifications: crashes, and e-mails that were not accepted."""


@notifications.command("list")
@click.option("--unread", is_flag=True, help="List only unread notifications.")
@click.option("--kind", type=TEXT, help="List only notifications of this kind.")
@limit_option
@click.pass_obj
def list_notifications(config: Config, unread: bool, kind: str | None, limit: int) -> None:
    """List the latest notifications."""
    page = run(lambda c: stored.list_notifications(c, kind=kind, unread=unread, size=limit), config)
    print_records(page.rows, "id", "kind", "count", "created_at", "acknowledged_at", "request_id", "message")


@notifications.command()
@click.argument("notification_ids", type=click.IntRange(1, MAX_ID), nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Acknowledge every unread notification.")
@click.pass_obj
def acknowledge(config: Config, notification_ids: Sequence[int], everything: bool) -> None:
    """Acknowledge notifications, given by their ids, or all of them."""
    if bool(notification_ids) == everything:
        raise click.UsageError("give either ids of notifications or --all")
    details: dict[str, object] = {"notifications": sorted(set(notification_ids)) or "all"}

    async def work(connection: asyncpg.Connection) -> int:
        if everything:
            count = await stored.acknowledge_all(connection)
        else:
            count = await stored.acknowledge(connection, notification_ids)
        if notification_ids and not count:
            raise click.ClickException("there is no such unread notification: see `notifications list`")
        details["count"] = count
        return count

    count = change(work, config, "acknowledge notifications", details)
    click.echo(f"acknowledged {counted(count, 'notification')}")
