"""Wrong use of each command: one line on stderr, the exit code of the contract, no secret and no traceback."""

import socket
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from service.cli import cli, main
from tests.cli.command import NO_DATABASE, PASSWORD, CommandLine, walk
from tests.databases import on_database
from tests.factories import Records

# Commands that name missing or existing records, and the error message. The exit code is 1.
UNKNOWN = [
    ("routes withdraw requirements/v9/create", "there is no record of requirements/v9/create: see `routes list`"),
    ("routes withdraw nothing", "there is no record of nothing: see `routes list`"),
    ("applications token nobody", "there is no application nobody: see `applications list`"),
    ("applications deactivate nobody", "there is no application nobody: see `applications list`"),
    ("applications activate nobody", "there is no application nobody: see `applications list`"),
    ("applications revoke nobody", "nobody has no such live token"),
    ("applications create known", "application known already exists"),
    ("sessions create nobody@example.com", "there is no user nobody@example.com"),
    ("sessions create known@example.com --application nobody", "or no application nobody"),
    ("routes withdraw requirements/v2", "there is no record of requirements/v2: see `routes list`"),
    ("routes forget requirements/v1/creat", "there is no record of requirements/v1/creat: see `routes list`"),
    ("routes forget nothing", "there is no record of nothing: see `routes list`"),
    ("applications token a\x1b]0;b", "there is no application a\ufffd]0;b: see `applications list`"),
    (f"applications token {'x' * 100_000}", f"there is no application {'x' * 60}…: see `applications list`"),
    ("requirements show 99", "there is no requirement 99: see `requirements list`"),
    ("requirements destroy 99 --yes", "there is no requirement 99: see `requirements list`"),
    ("sessions revoke 99", "there is no session 99"),
    ("sessions revoke --user nobody@example.com", "there is no user nobody@example.com"),
    ("users create known@example.com", "user known@example.com already exists"),
]

# Invalid command lines, and the error message. The exit code is 2.
BAD_USAGE = [
    ("nonsense", "No such command 'nonsense': see `requirements-service --help`"),
    ("routes nonsense", "No such command 'nonsense': see `requirements-service routes --help`"),
    ("--nonsense", "No such option '--nonsense': see `requirements-service --help`"),
    ("serve --nonsense", "No such option '--nonsense': see `requirements-service serve --help`"),
    ("routes deploy", "Missing argument 'NAME': see `requirements-service routes deploy --help`"),
    ("routes deploy a/b/c/d", "'a/b/c/d' is not a name such as requirements/v1/create"),
    ("routes deploy a//b", "'a//b' is not a name such as requirements/v1/create"),
    ("sessions revoke", "give either the id of a session or --user"),
    ("sessions revoke 1 --user a@example.com", "give either the id of a session or --user"),
    ("sessions revoke 99999999999999999999", "99999999999999999999 is not in the range 1<=x<=9223372036854775807"),
    ("requirements list --required Service/x", "'Service/x' is not a reference such as Service/1"),
    ("requirements list --key a --without-key", "give either --key or --without-key"),
    ("requirements show one", "'one' is not a valid integer"),
    ("sessions revoke one", "'one' is not a valid integer"),
    ("sessions list --limit 0", "0 is not in the range 1<=x<=100000"),
    ("sessions list --limit 9999999999999999999", "9999999999999999999 is not in the range 1<=x<=100000"),
    (f"emails list --limit {'9' * 5000}", f"'{'9' * 59}…' is not a valid integer"),
    ("notifications list --limit -1", "-1 is not in the range 1<=x<=100000"),
    ("routes deploy requirements/v1/creat", "creat is not a name of this build: did you mean requirements/v1/create?"),
    ("routes deploy requirments", "requirments is not a name of this build: did you mean requirements?"),
    ("routes deploy a/b", "a/b is not a name of this build"),
    ("routes deploy ../v1/x", "../v1/x must have parts of letters, digits, dots, hyphens and underscores"),
    ("routes forget requirements/v1", "requirements/v1 is not one route: see `routes list`"),
    (f"applications create {'x' * 100_000}", "…' must be 1 to 100 of the letters A to Z, digits, dots, hyphens"),
    ("applications create a/b", "'a/b' must be 1 to 100 of the letters A to Z, digits"),
    ("users create no-at", "'no-at' must be an e-mail address of at most 254 characters"),
    ("users create \udcff@example.com", "must be an e-mail address"),
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
    """The rows as parameters of a test, each named after its first line, shortened."""
    return [pytest.param(*row, id=row[0].partition("\n")[0][:80]) for row in rows]


@pytest.mark.parametrize(("line", "said"), cases(UNKNOWN))
async def test_missing_and_existing_records(command: CommandLine, records: Records, line: str, said: str) -> None:
    """A command that names a missing record, or creates an existing one, fails with the reason."""
    await records.application("known")
    await records.connection.execute("INSERT INTO users (email) VALUES ('known@example.com')")
    done = await command(*line.split())
    assert done.code == 1
    assert said in done.complaint


@pytest.mark.parametrize(("line", "said"), cases(BAD_USAGE))
async def test_bad_usage(tmp_path: Path, line: str, said: str) -> None:
    """An invalid command line is reported, with the --help command to run."""
    done = await CommandLine(tmp_path, NO_DATABASE)(*line.split())
    assert done.code == 2
    assert said in done.complaint
    assert done.complaint.endswith("--help`")


@pytest.mark.parametrize("line", [line for line in COMMANDS if line != "serve"])
async def test_no_database(tmp_path: Path, line: str) -> None:
    """If the database cannot be reached, the command says so without the password."""
    done = await CommandLine(tmp_path, NO_DATABASE)(*line.split())
    assert done.code == 1
    assert done.complaint.startswith("the database cannot be reached: ")
    assert PASSWORD not in done.errors


@pytest.mark.parametrize("line", COMMANDS)
async def test_no_such_database(tmp_path: Path, server_url: str, line: str) -> None:
    """A database that does not exist is named in the error."""
    done = await CommandLine(tmp_path, on_database(server_url, "none"))(*line.split(), PORT="0")
    assert (done.code, done.complaint) == (1, 'the database cannot be reached: database "none" does not exist')


async def test_a_silent_database(tmp_path: Path) -> None:
    """Connecting to a server that accepts connections and never responds times out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://someone:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/none"
        done = await CommandLine(tmp_path, url)("routes", "list")
    assert (done.code, done.complaint) == (1, "the database cannot be reached: TimeoutError")


@pytest.mark.parametrize("line", COMMANDS[3:])
async def test_pending_migrations(bare: CommandLine, line: str) -> None:
    """Commands that need the tables say which command creates them."""
    done = await bare(*line.split())
    assert (done.code, done.complaint) == (1, "migrations are pending: run `requirements-service migrate` first")


@pytest.mark.parametrize(
    ("name", "text", "said"), [pytest.param(*row, id=f"{row[0]} {index}") for index, row in enumerate(SETTINGS)]
)
async def test_bad_settings(tmp_path: Path, name: str, text: str, said: str) -> None:
    """An invalid setting stops `serve`. The error names it and contains no secret."""
    done = await CommandLine(tmp_path, NO_DATABASE)("serve", **{"PORT": "0", name: text})
    assert done.code == 78
    assert said in done.complaint
    assert PASSWORD not in done.errors


@pytest.mark.parametrize(("content", "said"), cases(FILES))
async def test_bad_files(tmp_path: Path, content: str, said: str) -> None:
    """An invalid config.yaml, or one with unknown fields, is reported."""
    (tmp_path / "config.yaml").write_text(content)
    done = await CommandLine(tmp_path, NO_DATABASE)("routes", "list")
    assert done.code == 78
    assert said in done.complaint


@pytest.mark.parametrize(
    "line", ["--config absent.yaml serve", "serve --config absent.yaml", "routes --config absent.yaml list"]
)
async def test_no_such_file(tmp_path: Path, line: str) -> None:
    """A file given with --config must exist."""
    done = await CommandLine(tmp_path, NO_DATABASE)(*line.split())
    assert (done.code, done.complaint) == (78, "absent.yaml: no such file")


async def test_a_full_disk(command: CommandLine) -> None:
    """A command fails with one line if its output cannot be written."""
    done = await command.through("applications list > /dev/full")
    assert done.code == 1
    assert done.complaint == "output: No space left on device"


def arguments_not_utf_8() -> Iterator[list[str]]:
    """The words of each command with one of its values in Latin-1, which Python shows as a lone surrogate."""
    for words, command in walk(cli):
        if command.hidden or isinstance(command, click.Group):
            continue
        arguments = {
            param: "1" if param.name != "email" else "a@b"
            for param in command.params
            if isinstance(param, click.Argument) and param.required
        }
        for bad in command.params:
            if isinstance(bad, click.Argument):
                yield [*words, *(arguments | {bad: "s\udcf6hne"}).values()]
            elif isinstance(bad, click.Option) and not bad.is_flag:
                yield [*words, bad.opts[0], "s\udcf6hne", *arguments.values()]


@pytest.mark.parametrize("words", list(arguments_not_utf_8()), ids=" ".join)
def test_arguments_that_are_not_utf_8(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A value that is not UTF-8 is bad usage, whatever it is a value of; a file of settings may have such a name."""
    monkeypatch.setattr("sys.argv", ["requirements-service", *words])
    monkeypatch.setenv("DATABASE_URL", NO_DATABASE)
    assert main() == (78 if "--config" in words else 2)
    output, errors = capfd.readouterr()
    assert output == ""
    assert errors.startswith("requirements-service: ")
    assert errors.count("\n") == 1


async def test_a_terminal_without_the_characters(command: CommandLine, records: Records) -> None:
    """A list is shown on a terminal whose encoding lacks some of its characters."""
    await records.connection.execute("INSERT INTO applications (slug, name) VALUES ('a', 'Магазин')")
    done = await command.in_new_interpreter("applications", "list", PYTHONIOENCODING="latin-1")
    assert (done.code, done.errors, done.table[1][2]) == (0, "", "???????")
