"""The benchmark itself, once and small."""

from pathlib import Path

import pytest

from tests.tools.benchmark.__main__ import benchmark, write
from tests.tools.benchmark.plan import BARE, ECHO, GO, PEER, PGBENCH, SERVICE, UNBATCHED, trial
from tests.tools.benchmark.report import failures


async def test_every_contestant_takes_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are started, put under load, checked, and told of; none of them acknowledges what it does not write."""
    monkeypatch.setenv("REQUIREMENTS__DATABASE__REQUIRE_DURABLE", "false")  # a server for tests may be given
    said: list[str] = []
    run, facts = await benchmark(trial(), tmp_path, said.append)
    assert failures(run) == []
    taking_part = [one.contestant for one in run.measurements]
    assert taking_part == [
        SERVICE,
        ECHO,
        PGBENCH,
        PEER,
        *([GO] if facts["Go"].startswith("go1") else []),
        UNBATCHED,
        BARE,
    ]
    assert all(one.outcome.answers > 0 for one in run.measurements)
    assert all(one.costs["rows"] >= 1 for one in run.measurements if one.contestant != ECHO)
    # One for each, and what little the service asks for itself.
    statements = {name: count for (name, _, _), count in run.statements.items()}
    assert statements.keys() == {SERVICE, UNBATCHED}
    assert 0.9 < statements[UNBATCHED] < 1.5
    write(run, facts, tmp_path / "docs")
    assert all(f"| {one.contestant} " in (tmp_path / "docs" / "latest.md").read_text() for one in run.measurements)
    assert (tmp_path / "docs" / "latest.svg").read_text().startswith("<svg")
