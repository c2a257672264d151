"""`requirements list`, `show` and `destroy`."""

import re

import pytest

from tests.cli.command import CommandLine
from tests.factories import Records

FILL = """
INSERT INTO requirements (
    requireable_type, requireable_id, required_type, required_id, key, value, application_id, user_id
) VALUES
    ('Order', 1, 'Service', 1, 'tier', E'gold\nring', 3, NULL),
    ('Order', 1, 'Service', 2, NULL, NULL, NULL, 4),
    ('Order', 2, 'Service', 1, 'tier', 'silver', NULL, 4),
    ('User', 7, 'Order', 1, 'role', 'owner', NULL, NULL),
    ('Service', 1, 'Host', 1, '', NULL, NULL, NULL)
"""


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("", [5, 4, 3, 2, 1]),
        ("--required Service", [3, 2, 1]),
        ("--required Service/1", [3, 1]),
        ("--requireable Order/1 --required Service/1", [1]),
        ("--key tier", [3, 1]),
        ("--without-key", [2]),
        ("--application 3", [1]),
        ("--user 4", [3, 2]),
        ("--user 4 --key tier", [3]),
        ("--limit 2", [5, 4]),
        ("--required Nothing", []),
    ],
)
async def test_list(command: CommandLine, records: Records, options: str, found: list[int]) -> None:
    """The latest requirements that pass all filters are listed."""
    await records.connection.execute(FILL)
    heading, *rows = (await command("requirements", "list", *options.split())).table
    assert heading == ["id", "requireable", "required", "key", "value", "application", "user", "created at"]
    assert [int(row[0]) for row in rows] == found


async def test_a_long_list(command: CommandLine, records: Records) -> None:
    """A list of more rows than a page of the index has is complete."""
    await records.connection.execute(
        "INSERT INTO requirements (requireable_type, requireable_id, required_type, required_id) "
        "SELECT 'Order', n, 'Service', 1 FROM generate_series(1, 450) n"
    )
    rows = (await command("requirements", "list", "--limit", "420")).table[1:]
    assert [int(row[0]) for row in rows] == list(range(450, 30, -1))


async def test_show(command: CommandLine, records: Records) -> None:
    """A requirement is shown with its changes, and with what both of its ends also require or are required by."""
    await records.connection.execute(FILL)
    await records.connection.execute("UPDATE requirements SET value = 'silver' WHERE id = 1")
    shown = await command.says("requirements", "show", "1")
    first, changes, *neighbours = [
        [re.split(r"  +", line) for line in part.splitlines()] for part in shown.split("\n\n")
    ]
    properties = {line[0]: line[1] for line in first}
    columns = ("requirement", "requireable", "required", "key", "value", "application id")
    assert [properties[name] for name in columns] == ["1", "Order 1", "Service 1", "tier", "silver", "3"]
    assert [(line[1], line[-1]) for line in changes[2:]] == [("updated", "silver"), ("created", "gold\ufffdring")]
    assert {lines[0][0]: [line[0] for line in lines[2:]] for lines in neighbours} == {
        "Order 1 requires, beside this one:": ["2"],
        "Order 1 is required by, beside this one:": ["4"],
        "Service 1 requires, beside this one:": ["5"],
        "Service 1 is required by, beside this one:": ["3"],
    }


async def test_show_without_changes(command: CommandLine, records: Records) -> None:
    """A requirement whose changes are no longer kept is shown without any."""
    await records.connection.execute(FILL)
    await records.connection.execute("UPDATE requirements SET value = 'silver' WHERE id = 1; DELETE FROM changes")
    _, changes, *_ = (await command.says("requirements", "show", "1")).split("\n\n")
    assert len(changes.splitlines()) == len(("title", "headings"))


async def test_destroy(command: CommandLine, records: Records) -> None:
    """A requirement is deleted, which is an event of the feed without a caller."""
    await records.connection.execute(FILL)
    said = await command.says("requirements", "destroy", "3", "--yes")
    assert said == "destroyed requirement 3: Order 2 requires Service 1\n"
    assert [int(row[0]) for row in (await command("requirements", "list")).table[1:]] == [5, 4, 2, 1]
    rows = await records.connection.fetch(
        "SELECT change, requirement_id, coalesce(application_id, user_id, session_id) AS caller, request_id "
        "FROM changes ORDER BY id DESC LIMIT 1"
    )
    assert tuple(rows[0])[:3] == ("destroyed", 3, None)
    assert re.fullmatch("[0-9a-f]{32}", rows[0]["request_id"])


async def test_destroy_asks_for_a_confirmation(command: CommandLine, records: Records) -> None:
    """In a database that is not the embedded one, a requirement is destroyed only with --yes."""
    await records.connection.execute(FILL)
    done = await command("requirements", "destroy", "3")
    assert done.code == 2
    assert "confirm with --yes: see `requirements-service requirements destroy --help`" in done.complaint
    assert await records.connection.fetchval("SELECT count(*) FROM requirements") == 5
