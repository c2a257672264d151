"""`requirements`: the recorded requirements."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import click

from service.cli.database import change, run
from service.cli.options import ConfiguredGroup, limit_option
from service.cli.output import print_records, print_table, printable
from service.cli.param_types import REFERENCE, TEXT
from service.config import Config
from service.config.database_url import parse_database_url
from service.domain.lists import MAX_PAGE_SIZE, Filters
from service.domain.references import MAX_ID
from service.storage import requirement_pages
from service.storage.requirement_changes import change_as_operator
from service.storage.requirement_pages import BEGINNING, LATEST, Change, Neighbours

id_argument = click.argument("requirement_id", type=click.IntRange(-MAX_ID - 1, MAX_ID))


@click.group(cls=ConfiguredGroup)
def requirements() -> None:
    """List, show and destroy requirements."""


@requirements.command("list")
@click.option("--required", type=REFERENCE, help="List only those of what is required, such as Service/1 or Service.")
@click.option("--requireable", type=REFERENCE, help="List only those of what requires, such as User/7 or User.")
@click.option("--key", type=TEXT, help="List only those with exactly this key.")
@click.option("--without-key", is_flag=True, help="List only those without a key.")
@click.option("--application", type=click.IntRange(1, MAX_ID), help="List only those that this application created.")
@click.option("--user", type=click.IntRange(1, MAX_ID), help="List only those that this user created.")
@limit_option
@click.pass_obj
def list_requirements(config: Config, /, limit: int, **chosen: Any) -> None:
    """List the latest requirements. All filters that are given apply together."""
    if chosen["without_key"] and chosen["key"] is not None:
        raise click.UsageError("give either --key or --without-key")
    required_type, required_id = chosen["required"] or (None, None)
    requireable_type, requireable_id = chosen["requireable"] or (None, None)
    filters = Filters(
        required_type,
        required_id,
        requireable_type,
        requireable_id,
        key=chosen["key"],
        without_key=chosen["without_key"],
        application_id=chosen["application"],
        user_id=chosen["user"],
    )
    _print_requirements(run(lambda c: _read(c, filters, limit), config))


async def _read(connection: asyncpg.Connection, filters: Filters, limit: int) -> list[asyncpg.Record]:
    """The first requirements of a list, page by page, because a page reads a bounded number of rows."""
    rows: list[asyncpg.Record] = []
    start = BEGINNING
    while True:
        size = min(limit - len(rows), MAX_PAGE_SIZE)
        page = await requirement_pages.list_requirements(connection, filters, LATEST, start, size)
        rows += page.rows
        if page.next is None or len(rows) == limit:
            return rows
        start = page.next


@requirements.command()
@id_argument
@click.pass_obj
def show(config: Config, requirement_id: int) -> None:
    """Show the requirement with this id, its changes, and what both of its ends also require or are required by."""

    async def work(
        connection: asyncpg.Connection,
    ) -> tuple[asyncpg.Record, list[Change], Mapping[str, Neighbours]]:
        row = await requirement_pages.find_requirement(connection, requirement_id)
        if row is None:
            raise _not_found(requirement_id)
        changes = await requirement_pages.list_changes(connection, requirement_id)
        return row, changes, await requirement_pages.find_neighbours(connection, row)

    row, changes, neighbours = run(work, config)
    columns = ("key", "value", "application_id", "user_id", "session_id", "created_at", "updated_at", "request_uid")
    ends = [(end, _reference(row, end)) for end in ("requireable", "required")]
    print_table(("requirement", str(row["id"])), [*ends, *((name.replace("_", " "), row[name]) for name in columns)])
    click.echo("\nchanges, the latest first:")
    print_records(
        (dict(changed.row) for changed in changes),
        *("changed_at", "change", "application_id", "user_id", "session_id", "request_id", "key", "value"),
    )
    for relation, found in neighbours.items():
        end, relation_of_end = relation.split(" ", 1)
        rest = ", and more: see `requirements list`" if found.more else ""
        click.echo(f"\n{printable(_reference(row, end))} {relation_of_end}, beside this one{rest}:")
        _print_requirements(found.rows)


@requirements.command()
@id_argument
@click.option("--yes", is_flag=True, help="Allow it in a database that is not the embedded one.")
@click.pass_obj
def destroy(config: Config, requirement_id: int, yes: bool) -> None:
    """Destroy the requirement with this id. This cannot be undone."""
    if config.database.url is not None and not yes:
        place = parse_database_url(config.database.url).place
        raise click.UsageError(
            f"this deletes requirement {requirement_id} in the database at {place}: confirm with --yes"
        )
    details: dict[str, object] = {"requirement_id": requirement_id}

    async def work(connection: asyncpg.Connection) -> str:
        # Like a request of the console: an event without a request id is one of other software.
        result = await change_as_operator(
            connection, requirement_id, None, None, secrets.token_hex(16), distributed=config.database.distributed
        )
        if result.requirement is None:
            raise _not_found(requirement_id)
        row = result.requirement
        details["requireable"] = f"{row.requireable.type} {row.requireable.id}"
        details["required"] = f"{row.required.type} {row.required.id}"
        return f"destroyed requirement {requirement_id}: {details['requireable']} requires {details['required']}"

    click.echo(printable(change(work, config, "destroy requirement", details)))


def _print_requirements(rows: Sequence[asyncpg.Record]) -> None:
    print_table(
        ("id", "requireable", "required", "key", "value", "application", "user", "created at"),
        (
            (
                row["id"],
                _reference(row, "requireable"),
                _reference(row, "required"),
                *(row[name] for name in ("key", "value", "application_id", "user_id", "created_at")),
            )
            for row in rows
        ),
    )


def _reference(row: asyncpg.Record, end: str) -> str:
    return f"{row[f'{end}_type']} {row[f'{end}_id']}"


def _not_found(requirement_id: int) -> click.ClickException:
    return click.ClickException(f"there is no requirement {requirement_id}: see `requirements list`")
