"""The commands of `requirements-service`, and how each of their failures is told."""

import os
from pathlib import Path

import click

from service import __version__
from service.cli.applications import applications
from service.cli.demo import demo
from service.cli.migrate import migrate
from service.cli.purge import purge
from service.cli.routes import routes
from service.cli.serve import console, serve, worker
from service.cli.sessions import sessions
from service.cli.users import users
from service.config import load_config
from service.database.checks import UnfitAssociationError
from service.database.embedded import EmbeddedPostgresError
from service.database.errors import DatabaseAway, DatabaseError
from service.serving.listener import PortTakenError
from service.settings import ConfigError

EXIT_FAILURE = 1
EXIT_BAD_CONFIG = 78
EXIT_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="requirements-service")
@click.option(
    "--config", "path", type=click.Path(path_type=Path), help="Settings; config.yaml here where there is one."
)
@click.pass_context
def cli(context: click.Context, path: Path | None) -> None:
    """Record that one thing requires another, over HTTP and in PostgreSQL."""
    context.obj = load_config(path, os.environ)
    context.meta["config_path"] = path


for command in (serve, worker, console, migrate, demo, routes, applications, users, sessions, purge):
    cli.add_command(command)


def main() -> int:
    """Run the command line; the exit code. Whatever a person can cause ends in one line on stderr."""
    try:
        return cli.main(prog_name="requirements-service", standalone_mode=False) or 0
    except click.exceptions.Abort:
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (ConfigError, UnfitAssociationError) as error:
        return _fail(error, EXIT_BAD_CONFIG)
    except DatabaseAway as error:
        return _fail(f"the database cannot be reached: {error}", EXIT_FAILURE)
    except (DatabaseError, EmbeddedPostgresError, PortTakenError) as error:
        return _fail(error, EXIT_FAILURE)


def _fail(error: Exception | str, code: int) -> int:
    click.echo(f"requirements-service: {' '.join(str(error).split())}", err=True)
    return code
