"""`purge`: delete what has served its purpose."""

import click

from service.cli.database import run
from service.cli.options import ConfiguredCommand
from service.cli.output import print_table
from service.config import Config
from service.storage import operating


@click.command(cls=ConfiguredCommand)
@click.pass_obj
def purge(config: Config) -> None:
    """Delete sessions, e-mails and notifications older than the settings under `retention` say."""
    counts = run(lambda c: operating.purge_all(c, config.retention), config)
    print_table(("deleted", "rows"), counts.items())
