"""Every command misused: one clear line on stderr, the exit code of the contract, no secret and no traceback."""

import socket
from pathlib import Path

import pytest

from tests.cli.command import NO_DATABASE, PASSWORD, CommandLine
from tests.databases import on_database
from tests.factories import Records

# What is asked of a database that fits, and what is said; all of these exit with 1.
UNKNOWN = [
    ("routes withdraw requirements/v9/create", "there is no record of requirements/v9/create: `routes list` shows"),
    ("routes withdraw nothing", "there is no record of nothing: `routes list` shows"),
    ("applications token nobody", "there is no application nobody: `applications list` shows"),
    ("applications deactivate nobody", "there is no application nobody: `applications list` shows"),
    ("applications activate nobody", "there is no application nobody: `applications list` shows"),
    ("applications revoke nobody", "nobody has no such live token"),
    ("applications create known", "there is an application known already"),
    ("sessions create nobody@example.com", "there is no user nobody@example.com"),
    ("sessions create known@example.com --application nobody", "or no application nobody"),
    ("sessions revoke 99", "there is no session 99"),
    ("sessions revoke --user nobody@example.com", "there is no user nobody@example.com"),
    ("users create known@example.com", "there is a user known@example.com already"),
]

# Wrong on the face of it; all of these exit with 2.
BAD_USAGE = [
    ("nonsense", "No such command 'nonsense': see `requirements-service --help`"),
    ("routes nonsense", "No such command 'nonsense': see `requirements-service routes --help`"),
    ("--nonsense", "No such option '--nonsense': see `requirements-service --help`"),
    ("serve --nonsense", "No such option '--nonsense': see `requirements-service serve --help`"),
    ("routes deploy", "Missing argument 'NAME': see `requirements-service routes deploy --help`"),
    ("routes deploy a/b", "'a/b' is no name such as requirements/v1/create"),
    ("routes deploy a//b", "'a//b' is no name such as requirements/v1/create"),
    ("sessions revoke", "give either the id of a session or --user"),
    ("sessions revoke 1 --user a@example.com", "give either the id of a session or --user"),
    ("sessions revoke 99999999999999999999", "99999999999999999999 is not in the range 1<=x<=9223372036854775807"),
    ("sessions revoke one", "'one' is not a valid integer"),
    ("sessions list --limit 0", "0 is not in the range x>=1"),
    ("users create a@example.com --role boss", "'boss' is not one of 'client', 'employee', 'liaison'"),
    ("serve --demo", "--demo is for the embedded database: unset DATABASE_URL, or run `migrate` and `demo`"),
    ("demo", "this writes demo records into the database at "),
]

COMMANDS = ["serve", "migrate up", "migrate status", "routes list", "purge"]

SETTINGS = [
    ("PORT", "70000", "server.port: must be"),
    ("PORT", "http", "PORT: must be a whole number"),
    ("WEB_CONCURRENCY", "0", "server.workers: must be"),
    ("LOG_LEVEL", "loud", "logging.level: must be one of"),
    ("REQUIREMENTS__SERVER__COLOUR", "red", "server.colour: unknown field"),
    ("DATABASE_URL", f"mysql://u:{PASSWORD}@h/d", "database.url: must be an address such as postgresql://"),
    ("SENTRY_DSN", f"https://{PASSWORD}", "sentry.dsn: must be a dsn as sentry shows it"),
    ("DATABASE_URL_FILE", "/nowhere/secret", "DATABASE_URL_FILE: /nowhere/secret cannot be read"),
    ("HOST", "no.such.host.invalid", "cannot listen on no.such.host.invalid:0"),
    ("HOST", "192.0.2.1", "cannot listen on 192.0.2.1:0"),
]

FILES = [
    ("server: [", "is not valid YAML"),
    ("just words", "holds no settings: expected sections such as `server:`"),
    ("sevrer:\n  port: 1\n", "sevrer: unknown field"),
    ("server:\n  porrt: 1\n", "server.porrt: unknown field"),
]


def cases(rows: list[tuple[str, str]]) -> list[object]:
    """The rows as parameters, each named after what is asked."""
    return [pytest.param(*row, id=row[0].partition("\n")[0]) for row in rows]


@pytest.mark.parametrize(("line", "said"), cases(UNKNOWN))
async def test_what_is_not_there(command: CommandLine, records: Records, line: str, said: str) -> None:
    """What a command names must exist, or must not."""
    await records.application("known")
    await records.connection.execute("INSERT INTO users (email) VALUES ('known@example.com')")
    done = await command(*line.split())
    assert done.code == 1
    assert said in done.complaint


@pytest.mark.parametrize(("line", "said"), cases(BAD_USAGE))
async def test_bad_usage(tmp_path: Path, line: str, said: str) -> None:
    """What the command line cannot mean is said, with where to read on."""
    done = await CommandLine(tmp_path, NO_DATABASE)(*line.split())
    assert done.code == 2
    assert said in done.complaint
    assert done.complaint.endswith("--help`")


@pytest.mark.parametrize("line", [line for line in COMMANDS if line != "serve"])
async def test_no_database(tmp_path: Path, line: str) -> None:
    """Without a database a command says that it cannot be reached, and not with which password."""
    done = await CommandLine(tmp_path, NO_DATABASE)(*line.split())
    assert done.code == 1
    assert done.complaint.startswith("the database cannot be reached: ")
    assert PASSWORD not in done.errors


@pytest.mark.parametrize("line", COMMANDS)
async def test_no_such_database(tmp_path: Path, server_url: str, line: str) -> None:
    """A database's name that the server does not know is said."""
    done = await CommandLine(tmp_path, on_database(server_url, "none"))(*line.split(), PORT="0")
    assert (done.code, done.complaint) == (1, 'the database cannot be reached: database "none" does not exist')


async def test_a_silent_database(tmp_path: Path) -> None:
    """A server that takes connections and never says a word is given up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://someone:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/none"
        done = await CommandLine(tmp_path, url)("routes", "list")
    assert (done.code, done.complaint) == (1, "the database cannot be reached: TimeoutError")


@pytest.mark.parametrize("line", COMMANDS[3:])
async def test_pending_migrations(bare: CommandLine, line: str) -> None:
    """Commands that need the tables say how to make them."""
    done = await bare(*line.split())
    assert (done.code, done.complaint) == (1, "migrations are pending: run `requirements-service migrate` first")


@pytest.mark.parametrize(
    ("name", "text", "said"), [pytest.param(*row, id=f"{row[0]} {index}") for index, row in enumerate(SETTINGS)]
)
async def test_bad_settings(tmp_path: Path, name: str, text: str, said: str) -> None:
    """A setting that does not fit stops `serve` with its name, and with no secret."""
    done = await CommandLine(tmp_path, NO_DATABASE)("serve", **{"PORT": "0", name: text})
    assert done.code == 78
    assert said in done.complaint
    assert PASSWORD not in done.errors


@pytest.mark.parametrize(("content", "said"), cases(FILES))
async def test_bad_files(tmp_path: Path, content: str, said: str) -> None:
    """A config.yaml that cannot be read or holds what is unknown is named."""
    (tmp_path / "config.yaml").write_text(content)
    done = await CommandLine(tmp_path, NO_DATABASE)("routes", "list")
    assert done.code == 78
    assert said in done.complaint


@pytest.mark.parametrize(
    "line", ["--config absent.yaml serve", "serve --config absent.yaml", "routes --config absent.yaml list"]
)
async def test_no_such_file(tmp_path: Path, line: str) -> None:
    """A file given with --config must be there."""
    done = await CommandLine(tmp_path, NO_DATABASE)(*line.split())
    assert (done.code, done.complaint) == (78, "absent.yaml: there is no such file")


async def test_a_full_disk(command: CommandLine) -> None:
    """Output that cannot be written is a failure, told in one line."""
    done = await command.through("applications list > /dev/full")
    assert done.code == 1
    assert done.complaint == "output: No space left on device"
