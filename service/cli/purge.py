"""`purge`: delete old rows."""

import click

from service.cli.database import actor, run
from service.cli.options import ConfiguredCommand
from service.cli.output import print_table
from service.config import Config
from service.storage.retention import purge_all


@click.command(cls=ConfiguredCommand)
@click.pass_obj
def purge(config: Config) -> None:
    """Delete sessions, e-mails, notifications and changes that are older than the settings under `retention` allow."""
    distributed = config.database.distributed
    counts = run(lambda c: purge_all(c, config.retention, actor(), distributed=distributed), config)
    print_table(("deleted", "rows"), counts.items())
