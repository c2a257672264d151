"""The commands of `requirements-service`, their exit codes and their error messages."""

import io
import re
import sys

import click

from service import __version__
from service.cli.applications import applications
from service.cli.demo import demo
from service.cli.emails import emails
from service.cli.migrate import migrate
from service.cli.notifications import notifications
from service.cli.options import ConfiguredGroup
from service.cli.purge import purge
from service.cli.requirements import requirements
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

# Text without a space, such as an argument, that is too long to be read.
_LONG_WORD = re.compile(r"""(\S{60})\S{140,}?(?=[:;,.?'"]*(?:\s|$))""")


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
    requirements,
    emails,
    notifications,
    purge,
):
    cli.add_command(command)


def main() -> int:
    """Run the command line and return the exit code. An expected error is printed as one line on stderr."""
    # What a terminal's encoding cannot show is shown as a question mark.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
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
            reason = error.format_message().rstrip(".")
            return f"{reason}{'' if reason.endswith('?') else ':'} see `{command} --help`"
        case click.ClickException():
            return error.format_message()
        case NotConnected():
            return f"the database cannot be reached: {error}"
        case OSError():
            return f"{error.filename or 'output'}: {error.strerror or error}"
        case _:
            return str(error)


def _fail(reason: str, code: int) -> int:
    line = " ".join(reason.split())
    # An argument may hold control characters, which a terminal would obey.
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
    shortened = _LONG_WORD.sub("\\1\N{HORIZONTAL ELLIPSIS}", printable)
    click.echo(f"{PROGRAM}: {shortened}", err=True)
    return code
