"""Every command that changes the tables is recorded in the audit, with the change or not at all."""
# ruff: noqa: E501 - one case per line

import json
import os
import pwd
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.cli.command import CommandLine
from tests.cli.test_commands import COMMANDS, MIGRATIONS
from tests.databases import connected
from tests.factories import Records
from tests.serving.process import REPOSITORY

ACTOR = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"

# A command that changes something, and its actions and details in the audit.
CHANGES: list[tuple[str, list[tuple[str, object]]]] = [
    ("demo --yes", [("make demo", {})]),
    ("routes deploy requirements/v1/read", [("deploy", {"name": "requirements/v1/read", "sensitive_params": None})]),
    ("routes deploy requirements/v1 --sensitive-params", [("deploy", {"name": "requirements/v1", "sensitive_params": True})]),
    ("routes deploy requirements", [("deploy", {"name": "requirements", "sensitive_params": None})]),
    ("routes withdraw requirements/v1/create", [("withdraw", {"name": "requirements/v1/create"})]),
    ("routes withdraw requirements/v1", [("withdraw", {"name": "requirements/v1"})]),
    ("routes withdraw requirements", [("withdraw", {"name": "requirements"})]),
    ("routes forget requirements/v1/create", [("forget", {"name": "requirements/v1/create"})]),
    ("routes forget bare", [("forget", {"name": "bare"})]),
    ("applications create shop --name Shop", [("create application", {"application": "shop", "name": "Shop"})]),
    ("applications token app", [("issue token", {"application": "app", "token": 2})]),
    ("applications revoke app", [("revoke tokens", {"application": "app", "token": "all"})]),
    ("applications revoke app --token 1", [("revoke tokens", {"application": "app", "token": 1})]),
    ("applications deactivate app", [("deactivate application", {"application": "app"})]),
    ("applications activate app", [("activate application", {"application": "app"})]),
    ("users create b@example.com --role client", [("create user", {"user": "b@example.com", "roles": ["client"]})]),
    ("users create a@example.com --role client", [("create user", {"user": "a@example.com", "roles": ["client"]})]),
    ("sessions create a@example.com --application app", [("open session", {"user": "a@example.com", "application": "app", "remember_me": False, "session": 2})]),
    ("sessions revoke 1", [("revoke session", {"session": 1})]),
    ("sessions revoke --user a@example.com", [("revoke sessions", {"user": "a@example.com", "count": 1})]),
    ("sessions purge", [("purge", {"deleted": "sessions", "older_than_days": 30, "count": 1})]),
    ("purge", [("purge", {"deleted": "sessions", "older_than_days": 30, "count": 1}), ("purge", {"deleted": "notifications", "older_than_days": 90, "count": 1})]),
    ("requirements destroy 1 --yes", [("destroy requirement", {"requirement_id": 1, "requireable": "U 1", "required": "U 1"})]),
    ("emails retry 1", [("retry e-mails", {"emails": [1], "count": 1})]),
    ("emails retry --all", [("retry e-mails", {"emails": "all", "count": 1})]),
    ("notifications acknowledge 1", [("acknowledge notifications", {"notifications": [1], "count": 1})]),
    ("notifications acknowledge --all", [("acknowledge notifications", {"notifications": "all", "count": 1})]),
]  # fmt: skip

# Commands that fail after they have begun to change something, or find nothing to change.
UNCHANGED = [
    ("applications create app", 1),
    ("applications token nobody", 1),
    ("applications revoke app --token 9", 1),
    ("applications deactivate nobody", 1),
    ("users create a@example.com", 1),
    ("sessions create nobody@example.com", 1),
    ("sessions revoke 9", 1),
    ("routes withdraw requirements/v9/create", 1),
    ("routes forget requirements/v9/create", 1),
    ("routes forget requirements", 1),
    ("requirements destroy 9 --yes", 1),
    ("emails retry 9", 1),
    ("notifications acknowledge 9", 1),
    ("migrate", 0),
]

# Commands that change nothing in the tables of the service. `serve` is tested with `make run`'s options elsewhere.
READ_ONLY = {
    (),
    ("serve",),
    ("migrate", "status"),
    *((group,) for group in ("routes", "applications", "users", "sessions", "requirements", "emails", "notifications")),
    *((group, "list") for group in ("routes", "applications", "sessions", "requirements", "emails", "notifications")),
    ("requirements", "show"),
}


async def populate(records: Records) -> None:
    """Records of every kind that the commands change."""
    application = await records.application("app")
    await records.deploy(route=("requirements", "v1", "create"))
    await records.connection.execute("INSERT INTO users (email) VALUES ('a@example.com')")
    session = await records.session_of(1, "a@example.com", application_id=application.id)
    await records.connection.execute(
        f"""
        UPDATE sessions SET last_used_at = now() - interval '40 days' WHERE id = {session.id};
        INSERT INTO services (name) VALUES ('bare');
        INSERT INTO requirements (required_type, required_id, requireable_type, requireable_id) VALUES ('U', 1, 'U', 1);
        INSERT INTO emails (requirement_id, state) VALUES (1, 'dead');
        INSERT INTO notifications (kind, message, created_at) VALUES ('a', 'b', now() - interval '99 days');
        """  # noqa: S608 - an id
    )


@pytest.fixture
async def granted(command: CommandLine, records: Records) -> AsyncIterator[CommandLine]:
    """The command line with a database role that has the grants of docs/security.md, and nothing more."""
    role = f"role_{secrets.token_hex(4)}"
    await records.connection.execute(f"CREATE ROLE {role} LOGIN")
    for grants in re.findall(r"```sql\n(.*?)```", (REPOSITORY / "docs/security.md").read_text("utf-8"), re.DOTALL):
        await records.connection.execute(grants.replace("TO requirements", f"TO {role}"))
    yield replace(command, url=re.sub(r"//[^@/]*@", f"//{role}@", command.url))
    await records.connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def audit(records: Records) -> list[tuple[str, str, object]]:
    """The actor, action and details of every record in the audit."""
    rows = await records.connection.fetch("SELECT actor, action, details FROM audit ORDER BY id")
    return [(row["actor"], row["action"], json.loads(row["details"])) for row in rows]


@pytest.mark.parametrize(("line", "recorded"), CHANGES, ids=[line for line, _ in CHANGES])
async def test_a_change_is_recorded(
    granted: CommandLine, records: Records, line: str, recorded: list[tuple[str, object]]
) -> None:
    """The audit has the change, with the user of the operating system who made it. The documented grants suffice."""
    await populate(records)
    done = await granted(*line.split(), LOGNAME="somebody-else", USER="somebody-else")
    assert done.code == 0
    assert await audit(records) == [(ACTOR, action, details) for action, details in recorded]


@pytest.mark.parametrize(("line", "code"), UNCHANGED, ids=[line for line, _ in UNCHANGED])
async def test_what_changed_nothing_is_not_recorded(
    command: CommandLine, records: Records, line: str, code: int
) -> None:
    """A command that changed nothing leaves no record."""
    await populate(records)
    assert (await command(*line.split())).code == code
    assert await audit(records) == []


@pytest.mark.parametrize(("line", "_recorded"), CHANGES, ids=[line for line, _ in CHANGES])
async def test_a_change_that_cannot_be_recorded_is_not_made(
    command: CommandLine, records: Records, line: str, _recorded: object
) -> None:
    """Without its record in the audit no change is committed, in any table."""
    await populate(records)
    await records.connection.execute("ALTER TABLE audit ADD CONSTRAINT none CHECK (false)")
    tables = [
        row["relname"]
        for row in await records.connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    ]

    async def content() -> dict[str, list[str]]:
        return {
            table: sorted(str(row) for row in await records.connection.fetch(f"SELECT * FROM {table}"))  # noqa: S608
            for table in tables
        }

    before = await content()
    done = await command(*line.split())
    assert done.code == 1
    assert "none" in done.errors.splitlines()[-1]
    assert await content() == before


async def test_migrations_are_recorded(bare: CommandLine) -> None:
    """Each migration is recorded in its own transaction; applying none leaves no record."""
    for _ in range(2):
        await bare.says("migrate")
    async with connected(bare.url) as connection:
        assert await audit(Records(connection)) == [(ACTOR, "migrate", {"migration": name}) for name in MIGRATIONS]


def test_every_command_is_known_to_change_or_not() -> None:
    """Each command is among the changes above, among the read-only ones, or applies migrations."""
    changing = {tuple(word for word in line.split()[:2] if not word.startswith("-")) for line, _ in CHANGES}
    assert changing | READ_ONLY | {("migrate",), ("migrate", "up")} == set(COMMANDS)
    assert changing.isdisjoint(READ_ONLY)
