"""Every command: its output and its effect on the database."""

import re

import pytest
from click.testing import CliRunner

from service.cli import cli
from service.config.resources import resource
from service.database.migrations import load_migrations
from service.domain.callers import digest
from tests.cli.command import CommandLine, walk
from tests.factories import ROUTES, Records

MIGRATIONS = [str(migration) for migration in load_migrations(resource("sql") / "migrations")]

COMMANDS = [
    (),
    ("serve",),
    ("migrate",),
    ("migrate", "up"),
    ("migrate", "status"),
    ("demo",),
    ("routes",),
    ("routes", "list"),
    ("routes", "deploy"),
    ("routes", "withdraw"),
    ("routes", "forget"),
    ("applications",),
    ("applications", "create"),
    ("applications", "list"),
    ("applications", "token"),
    ("applications", "revoke"),
    ("applications", "deactivate"),
    ("applications", "activate"),
    ("users",),
    ("users", "create"),
    ("sessions",),
    ("sessions", "create"),
    ("sessions", "list"),
    ("sessions", "revoke"),
    ("sessions", "purge"),
    ("requirements",),
    ("requirements", "list"),
    ("requirements", "show"),
    ("requirements", "destroy"),
    ("purge",),
    ("emails",),
    ("emails", "list"),
    ("emails", "retry"),
    ("notifications",),
    ("notifications", "list"),
    ("notifications", "acknowledge"),
]


@pytest.mark.parametrize("words", [pytest.param(words, id=" ".join(words) or "alone") for words in COMMANDS])
def test_help(words: tuple[str, ...]) -> None:
    """Every command has a help text with --config, which is shown even if the settings are invalid."""
    done = CliRunner(env={"PORT": "bad"}).invoke(cli, [*words, "--help"], prog_name="requirements-service")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: requirements-service {' '.join(words)}".rstrip())
    assert "--config PATH" in done.stdout


def test_every_command_is_listed() -> None:
    """`COMMANDS` lists every command that is not hidden."""
    assert {words for words, command in walk(cli) if not command.hidden} == set(COMMANDS)


async def test_migrate(bare: CommandLine) -> None:
    """Migrations are pending, then applied; then there is nothing to apply."""
    heading = ["migration", "state", "applied at"]
    assert (await bare("migrate", "status")).table == [heading, *([name, "pending", "-"] for name in MIGRATIONS)]
    assert await bare.says("migrate") == "".join(f"applied {name}\n" for name in MIGRATIONS)
    assert await bare.says("migrate", "up") == "nothing to apply: the tables are up to date\n"
    applied = (await bare("migrate", "status")).table[1:]
    assert [line[:2] for line in applied] == [[name, "applied"] for name in MIGRATIONS]


async def test_demo(command: CommandLine, records: Records) -> None:
    """Each run issues fresh tokens and revokes the earlier ones; the last line is a curl command."""
    for _ in range(2):
        where, application, session, curl = (await command.says("demo", "--yes")).splitlines()
    tokens = [application.split()[-1], session.split()[-1]]
    assert where.split()[-1] == "http://127.0.0.1:8080/docs"
    assert curl.startswith("curl -sS http://127.0.0.1:8080/api/v1/requirements/create ")
    assert f'"token": "{tokens[0]}"' in curl
    live = [
        await records.connection.fetch(f"SELECT token_digest FROM {table} WHERE revoked_at IS NULL")  # noqa: S608
        for table in ("application_tokens", "sessions")
    ]
    assert [[row["token_digest"] for row in rows] for rows in live] == [[digest(token)] for token in tokens]
    assert await records.connection.fetchval("SELECT count(*) FROM sessions") == 2


async def test_routes(command: CommandLine) -> None:
    """A route is deployed with its records, listed, and withdrawn; so is a service.

    One that this build does not answer is listed as such.
    """
    assert await command.says("routes", "deploy", "requirements/v1/create") == "deployed requirements/v1/create\n"
    await command.says("routes", "withdraw", "requirements")
    said = await command.says("routes", "deploy", "other/v2/act", "--sensitive-params")
    assert said == "deployed other/v2/act, which this build does not answer\n"
    assert await command.says("routes", "withdraw", "other/v2/act") == "withdrew other/v2/act\n"
    heading, *listed = (await command("routes", "list")).table
    assert heading == ["service", "deployed at", "route", "deployed at", "sensitive params", "in this build"]
    moment = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
    assert [[moment.sub("T", cell) for cell in line] for line in listed] == [
        ["other", "T", "v2/act", "-", "yes", "no"],
        ["requirements", "-", "v1/create", "T", "no", "yes"],
    ]


async def test_a_route_is_forgotten_then_its_service(command: CommandLine, records: Records) -> None:
    """A misspelt route that others recorded is listed, withdrawn with its version, and forgotten; so is a service."""
    await records.connection.execute(
        """
        INSERT INTO services (name, deployed_at) VALUES ('requirements', now()), ('..', now());
        INSERT INTO routes (service_id, version, action, deployed_at)
        VALUES (1, 'v1', 'create', now()), (1, 'v1', 'creat', now()), (2, 'v1', 'x', now());
        """
    )
    listed = (await command("routes", "list")).table
    assert [[line[0], line[2], line[5]] for line in listed[1:]] == [
        ["..", "v1/x", "no"],
        ["requirements", "v1/creat", "no"],
        ["requirements", "v1/create", "yes"],
    ]
    assert await command.says("routes", "withdraw", "requirements/v1") == (
        "withdrew requirements/v1/creat\nwithdrew requirements/v1/create\n"
    )
    assert await command.says("routes", "forget", "requirements/v1/creat") == "forgot requirements/v1/creat\n"
    done = await command("routes", "forget", "..")
    assert (done.code, done.complaint) == (1, ".. has routes: forget them first, see `routes list`")
    await command.says("routes", "forget", "../v1/x")
    assert await command.says("routes", "forget", "..") == "forgot ..\n"
    assert [line[0:3:2] for line in (await command("routes", "list")).table[1:]] == [["requirements", "v1/create"]]


async def test_all_routes_of_a_version(command: CommandLine) -> None:
    """A version deploys and withdraws the routes of all actions of this build."""
    names = ["/".join(route) for route in ROUTES]
    assert await command.says("routes", "deploy", "requirements/v1") == "".join(f"deployed {it}\n" for it in names)
    withdrawn = "".join(f"withdrew {it}\n" for it in sorted(names))
    assert await command.says("routes", "withdraw", "requirements/v1") == withdrawn


async def test_deploying_again_keeps_the_route(command: CommandLine, records: Records) -> None:
    """Deploying again keeps the time, and changes sensitive_params only if the option is given."""
    read = "SELECT deployed_at, sensitive_params FROM routes"
    await command.says("routes", "deploy", "requirements/v1/create", "--sensitive-params")
    first = await records.connection.fetchrow(read)
    await command.says("routes", "deploy", "requirements/v1/create")
    assert await records.connection.fetchrow(read) == first
    await command.says("routes", "deploy", "requirements/v1/create", "--plain-params")
    assert await records.connection.fetchval("SELECT sensitive_params FROM routes") is False


async def test_applications(command: CommandLine, records: Records) -> None:
    """An application is created, deactivated and activated; its tokens are issued and revoked, one or all."""
    assert await command.says("applications", "create", "shop", "--name", "The Shop") == (
        "created application 1, shop: issue a token with `applications token shop`\n"
    )
    tokens = [await command.tells("applications", "token", "shop") for _ in range(3)]
    stored = await records.connection.fetch("SELECT token_digest FROM application_tokens ORDER BY id")
    assert [row["token_digest"] for row in stored] == [digest(token) for token in tokens]
    assert await command.says("applications", "revoke", "shop", "--token", "2") == "revoked 1 token of shop\n"
    live = "SELECT id FROM application_tokens WHERE revoked_at IS NULL ORDER BY id"
    assert [row["id"] for row in await records.connection.fetch(live)] == [1, 3]
    assert await command.says("applications", "deactivate", "shop") == "deactivated shop\n"
    heading, line = (await command("applications", "list")).table
    assert heading == ["id", "slug", "name", "active", "live tokens", "created at"]
    assert line[:5] == ["1", "shop", "The Shop", "no", "2"]
    assert await command.says("applications", "activate", "shop") == "activated shop\n"
    assert await command.says("applications", "revoke", "shop") == "revoked 2 tokens of shop\n"
    assert (await command("applications", "list")).table[1][3:5] == ["yes", "0"]


async def test_users(command: CommandLine, records: Records) -> None:
    """A user is created with the roles given and no others."""
    said = await command.says("users", "create", "a@example.com", "--role", "client", "--role", "liaison")
    assert said == "user 1, a@example.com (client, liaison): open a session with `sessions create a@example.com`\n"
    assert "user 1," in await command.says("users", "create", "a@example.com", "--role", "liaison")
    roles = [
        await records.connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
        for table in ("users", "clients", "employees", "liaisons")
    ]
    assert roles == [1, 1, 0, 1]


async def test_sessions(command: CommandLine, records: Records) -> None:
    """A session is opened, listed and revoked, alone or with all sessions of its user."""
    await command.says("users", "create", "a@example.com")
    await command.says("applications", "create", "shop")
    tokens = [
        await command.tells("sessions", "create", "a@example.com", "--application", "shop", "--remember-me"),
        await command.tells("sessions", "create", "a@example.com"),
    ]
    stored = await records.connection.fetch("SELECT token_digest FROM sessions ORDER BY id")
    assert [row["token_digest"] for row in stored] == [digest(token) for token in tokens]
    heading, *listed = (await command("sessions", "list", "--user", "a@example.com")).table
    assert heading == ["id", "email", "application", "remember me", "created at", "last used at", "revoked at"]
    assert [line[:4] + line[6:] for line in listed] == [
        ["2", "a@example.com", "-", "no", "-"],
        ["1", "a@example.com", "shop", "yes", "-"],
    ]
    assert len((await command("sessions", "list", "--limit", "1")).table) == 2
    assert await command.says("sessions", "revoke", "2") == "revoked session 2\n"
    assert await command.says("sessions", "revoke", "--user", "a@example.com") == "revoked 1 session of a@example.com\n"
    assert await records.connection.fetchval("SELECT count(*) FROM sessions WHERE revoked_at IS NULL") == 0


async def test_purge(command: CommandLine, records: Records) -> None:
    """Only rows older than the settings under `retention` are deleted."""
    await records.session()
    await records.connection.execute(
        """
        UPDATE sessions SET revoked_at = now() - interval '3 days';
        INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id) VALUES ('U', 1, 'U', 1);
        INSERT INTO emails (requirement_id, state, updated_at) VALUES (1, 'sent', now() - interval '31 days');
        INSERT INTO emails (requirement_id, state, updated_at) VALUES (1, 'pending', now() - interval '31 days');
        INSERT INTO notifications (kind, message, created_at) VALUES ('a', 'b', now() - interval '89 days');
        """
    )
    heading = ["deleted", "rows"]
    nothing = ["changes", "0"]
    assert (await command("purge")).table == [
        heading,
        ["sessions", "0"],
        ["e-mails", "1"],
        ["notifications", "0"],
        nothing,
    ]
    assert await command.says("sessions", "purge") == "deleted 0 sessions\n"
    sooner = {"REQUIREMENTS__RETENTION__EXPIRED_SESSIONS_DAYS": "2", "REQUIREMENTS__RETENTION__NOTIFICATIONS_DAYS": "1"}
    assert (await command("purge", **sooner)).table[1:] == [
        ["sessions", "1"],
        ["e-mails", "0"],
        ["notifications", "1"],
        nothing,
    ]
    await records.connection.execute("UPDATE change_marks SET marked_at = marked_at - interval '31 days'")
    assert (await command("purge")).table[-1] == ["changes", "1"]
    assert await records.connection.fetchval("SELECT state FROM emails") == "pending"


LISTS = {
    "migrate status": "UPDATE schema_migrations SET applied_at = $1",
    "routes list": "UPDATE routes SET deployed_at = $1",
    "applications list": "UPDATE applications SET created_at = $1",
    "sessions list": "UPDATE sessions SET created_at = $1, last_used_at = $1, revoked_at = $1",
    "emails list": "UPDATE emails SET created_at = $1, sent_at = $1, leased_until = $1",
    "notifications list": "UPDATE notifications SET created_at = $1, acknowledged_at = $1",
}
LATEST, EARLIEST = "9999-12-31 23:59:59 UTC", "0001-01-01 00:00:00 UTC"


@pytest.mark.parametrize("line", LISTS)
@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("infinity", LATEST),
        ("294276-12-31 23:59:59Z", LATEST),
        ("-infinity", EARLIEST),
        ("4713-01-01 00:00:00Z BC", EARLIEST),
        ("0987-06-05 04:03:02Z", "0987-06-05 04:03:02 UTC"),
    ],
)
async def test_a_list_shows_any_time(
    command: CommandLine, records: Records, line: str, moment: str, shown: str
) -> None:
    """A list shows a row whose times are beyond those of RFC 3339, at the end that they are beyond."""
    await records.session(application_id=(await records.application("app")).id)
    await records.deploy()
    await records.connection.execute(
        """
        INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id) VALUES ('U', 1, 'U', 1);
        INSERT INTO emails (requirement_id) VALUES (1);
        INSERT INTO notifications (kind, message) VALUES ('a', 'b');
        """
    )
    await records.connection.execute(LISTS[line].replace("$1", f"'{moment}'"))
    done = await command(*line.split())
    assert (done.code, done.errors) == (0, "")
    assert shown in done.table[1]


async def test_purge_bears_times_at_the_end_of_time(command: CommandLine, records: Records) -> None:
    """Sessions whose times are at the end of PostgreSQL's range are kept or deleted by the rule, with the others."""
    await records.connection.execute(
        """
        INSERT INTO users (email) VALUES ('a');
        INSERT INTO sessions (user_id, token_digest, created_at, last_used_at) VALUES
            (1, 'a', '294276-12-31 23:59:59Z', '294276-12-31 23:59:59Z'), (1, 'b', 'infinity', 'infinity'),
            (1, 'c', '-infinity', now()), (1, 'd', now(), '4713-01-01 00:00:00Z BC'),
            (1, 'e', now() - interval '40 days', now());
        """
    )
    assert await command.says("sessions", "purge") == "deleted 3 sessions\n"
    left = await records.connection.fetch("SELECT encode(token_digest, 'escape') AS name FROM sessions ORDER BY id")
    assert [row["name"] for row in left] == ["a", "b"]


async def test_a_closed_pipe_is_not_an_error(command: CommandLine, records: Records) -> None:
    """`applications list | head -1` prints no error."""
    await records.connection.execute(
        "INSERT INTO applications (slug, name) SELECT 'app-' || n, repeat('x', 100) FROM generate_series(1, 3000) AS n"
    )
    done = await command.through("applications list | head -1")
    assert (done.code, done.errors, done.output.split()[:2]) == (0, "", ["id", "slug"])
