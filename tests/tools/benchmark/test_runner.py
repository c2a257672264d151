"""The whole benchmark, in a short run."""

from pathlib import Path

import pytest

from tests.tools.benchmark.__main__ import benchmark, write
from tests.tools.benchmark.plan import (
    BARE,
    BATCHES,
    ECHO,
    GO,
    HUNDREDS,
    PEER,
    PGBENCH,
    SERVICE,
    THOUSANDS,
    UNBATCHED,
    smoke,
)
from tests.tools.benchmark.report import failures


async def test_every_contestant_takes_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All contestants start, answer correctly, write what they acknowledge, and are reported."""
    monkeypatch.setenv("REQUIREMENTS__DATABASE__REQUIRE_DURABLE", "false")  # the tests' server may not be durable
    messages: list[str] = []
    run, facts = await benchmark(smoke(), tmp_path, messages.append)
    assert failures(run) == []
    contestants = [one.contestant for one in run.measurements]
    assert contestants == [
        SERVICE,
        ECHO,
        PGBENCH,
        PEER,
        *([GO] if facts["Go"].startswith("go1") else []),
        UNBATCHED,
        BARE,
        *BATCHES,
    ]
    assert all(one.outcome.answers > 0 for one in run.measurements)
    assert all(one.costs["rows"] >= 1 for one in run.measurements if one.contestant != ECHO)
    # One statement a request, and a few background statements.
    statements = {name: count for (name, _, _), count in run.statements.items()}
    assert statements.keys() == {SERVICE, UNBATCHED, HUNDREDS, THOUSANDS}
    assert 0.9 < statements[UNBATCHED] < 1.5
    write(run, facts, tmp_path / "docs")
    assert all(f"| {one.contestant} " in (tmp_path / "docs" / "latest.md").read_text() for one in run.measurements)
    assert (tmp_path / "docs" / "latest.svg").read_text().startswith("<svg")
