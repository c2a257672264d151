"""`migrate`: apply migrations."""

import asyncio

import click

from service.cli.database import audit_migration, connected
from service.cli.options import ConfiguredGroup
from service.cli.output import print_table
from service.config import Config
from service.config.resources import resource
from service.database import migrations


@click.group(cls=ConfiguredGroup, invoke_without_command=True)
@click.pass_context
def migrate(context: click.Context) -> None:
    """Apply pending migrations (`up`, the default), or list all migrations (`status`)."""
    if context.invoked_subcommand is None:
        up.invoke(context)


@migrate.command()
@click.pass_obj
def up(config: Config) -> None:
    """Apply pending migrations."""
    applied = asyncio.run(_up(config))
    for migration in applied:
        click.echo(f"applied {migration}")
    if not applied:
        click.echo("nothing to apply: the tables are up to date")


@migrate.command()
@click.pass_obj
def status(config: Config) -> None:
    """List the migrations, and whether each is applied."""
    known, applied = asyncio.run(_status(config))
    names = {migration.version: str(migration) for migration in known}
    names |= {version: f"{version:04}_{record.name}" for version, record in applied.items() if version not in names}
    digests = {migration.version: migration.digest for migration in known}
    print_table(
        ("migration", "state", "applied at"),
        (
            (
                name,
                _state(digests.get(version), applied.get(version)),
                getattr(applied.get(version), "applied_at", None),
            )
            for version, name in sorted(names.items())
        ),
    )


def _state(known: bytes | None, applied: migrations.Applied | None) -> str:
    if applied is None:
        return "pending"
    if known is None:
        return "applied by a newer build"
    return "applied" if known == applied.digest else "applied, and its file has changed since"


def _known() -> migrations.Migrations:
    return migrations.load_migrations(resource("sql") / "migrations")


async def _up(config: Config) -> migrations.Migrations:
    async with connected(config, may_create=True) as connection:
        return await migrations.migrate(connection, _known(), config.database.schema, audit_migration)


async def _status(config: Config) -> tuple[migrations.Migrations, dict[int, migrations.Applied]]:
    async with connected(config) as connection:
        return _known(), dict(await migrations.applied_migrations(connection))
