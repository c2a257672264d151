"""The commands of `requirements-service`, their exit codes and their error messages."""

import click

from service import __version__
from service.cli.applications import applications
from service.cli.demo import demo
from service.cli.emails import emails
from service.cli.migrate import migrate
from service.cli.notifications import notifications
from service.cli.options import ConfiguredGroup
from service.cli.purge import purge
from service.cli.routes import routes
from service.cli.serve import console, serve, worker
from service.cli.sessions import sessions
from service.cli.users import users
from service.config import ConfigError
from service.database.checks import UnfitAssociationError
from service.database.errors import DatabaseError, NotConnected
from service.embedded_postgres.server import EmbeddedPostgresError
from service.serving.listener import PortTakenError

PROGRAM = "requirements-service"

EXIT_FAILURE = 1
EXIT_BAD_CONFIG = 78
EXIT_INTERRUPTED = 130


@click.group(cls=ConfiguredGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM)
def cli() -> None:
    """Record that one thing requires another: an HTTP API on PostgreSQL."""


for command in (
    serve,
    worker,
    console,
    migrate,
    demo,
    routes,
    applications,
    users,
    sessions,
    emails,
    notifications,
    purge,
):
    cli.add_command(command)


def main() -> int:
    """Run the command line and return the exit code. An expected error is printed as one line on stderr."""
    try:
        return cli.main(prog_name=PROGRAM, standalone_mode=False) or 0
    except click.exceptions.Abort:
        return EXIT_INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _fail(_reason(error), error.exit_code)
    except (ConfigError, UnfitAssociationError) as error:
        return _fail(_reason(error), EXIT_BAD_CONFIG)
    except (DatabaseError, EmbeddedPostgresError, PortTakenError, OSError) as error:
        return _fail(_reason(error), EXIT_FAILURE)


def _reason(error: Exception) -> str:
    match error:
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else PROGRAM
            return f"{error.format_message().rstrip('.')}: see `{command} --help`"
        case click.ClickException():
            return error.format_message()
        case NotConnected():
            return f"the database cannot be reached: {error}"
        case OSError():
            return f"{error.filename or 'output'}: {error.strerror or error}"
        case _:
            return str(error)


def _fail(reason: str, code: int) -> int:
    click.echo(f"{PROGRAM}: {' '.join(reason.split())}", err=True)
    return code
