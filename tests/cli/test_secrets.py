"""A token that could not be shown is not left alive."""

import pytest

from service.domain.callers import digest
from tests.cli.command import CommandLine
from tests.factories import Records

LIVE = """
SELECT encode(token_digest, 'hex') FROM application_tokens WHERE revoked_at IS NULL
UNION ALL SELECT encode(token_digest, 'hex') FROM sessions WHERE revoked_at IS NULL
"""

# A command that issues tokens, and what its error says about them.
ISSUING = [
    ("applications token app", "no token was issued"),
    ("sessions create a@example.com", "no session was opened"),
    ("demo --yes", "no tokens were issued, and the earlier ones are not revoked"),
]

# An output that takes nothing, and the reason it gives.
OUTPUTS = [
    (">/dev/full", "No space left on device"),
    (">&-", "Bad file descriptor"),
    ("| (exec <&-; sleep 5)", "Broken pipe"),
]


@pytest.mark.parametrize(("output", "reason"), OUTPUTS)
@pytest.mark.parametrize(("line", "undone"), ISSUING)
async def test_a_token_that_cannot_be_shown_is_not_issued(
    command: CommandLine, records: Records, line: str, undone: str, output: str, reason: str
) -> None:
    """If its output cannot be written, a command issues no token, revokes none, and says so."""
    application = await records.application("app")
    demo = await records.application("demo")
    await records.connection.execute("INSERT INTO users (email) VALUES ('a@example.com')")

    done = await command.through(f"{line} {output}")

    *_, said = done.errors.splitlines()
    assert said == f"requirements-service: output: {reason}: {undone}"
    assert done.code == (0 if output.startswith("|") else 1)  # a pipe ends as its last command does
    live = {row[0] for row in await records.connection.fetch(LIVE)}
    assert live == {digest(application.token).hex(), digest(demo.token).hex()}
    assert await records.connection.fetchval("SELECT count(*) FROM audit") == 0
