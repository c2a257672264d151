"""The whole ledger, in a short run."""

from pathlib import Path

import pytest

from tests.serving.process import REPOSITORY
from tests.tools.ledger.faults import FAULTS
from tests.tools.ledger.history import History
from tests.tools.ledger.infrastructure import run_infrastructure
from tests.tools.ledger.report import report
from tests.tools.ledger.runner import run_plan
from tests.tools.ledger.schedule import Step


async def test_two_faults(tmp_path: Path) -> None:
    """A worker is killed and a token rotated under load: the service recovers, without violations."""
    steps = [Step(FAULTS[name], 0.2, 50, 1) for name in ("kill-one-worker", "rotate-a-token")]
    messages: list[str] = []
    with History(tmp_path / "history.jsonl") as history:
        async with run_infrastructure(tmp_path, history, REPOSITORY, thorough=False) as infrastructure:
            result = await run_plan(steps, infrastructure, tmp_path, 1, messages.append)
    assert [line for line in report(result, coloured=False).splitlines() if "VIOLATION" in line] == []
    assert [row.name for row in result.rows] == ["kill-one-worker", "rotate-a-token"]
    assert all(row.counts["ok"] and row.counts["fail"] for row in result.rows)
    assert result.rows[0].counts["unknown"] <= result.rows[0].max_unknowns
    assert (result.replay.gaps, result.replay.doubles) == (0, 0)
    assert result.replay.events > result.requests / 2
    assert "0 gaps, 0 doubles" in report(result, coloured=False)


async def test_lost_rows_are_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acknowledged rows deleted behind the service's back are reported as violations."""
    delete_rows = """
        CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN DELETE FROM requirements WHERE id = NEW.id - 10; RETURN NULL; END $$;
        CREATE TRIGGER lose AFTER INSERT ON requirements FOR EACH ROW WHEN (NEW.id % 20 = 0) EXECUTE FUNCTION lose();
    """
    monkeypatch.setattr("tests.tools.ledger.runner.WARM_UP_SECONDS", 0.1)
    with History(tmp_path / "history.jsonl") as history:
        async with run_infrastructure(tmp_path, history, REPOSITORY, thorough=False) as infrastructure:
            async with infrastructure.postgres.connection() as connection:
                await connection.execute(delete_rows)
            result = await run_plan([Step(FAULTS["delay"], 0.2, 50, 1)], infrastructure, tmp_path, 1, lambda _: None)
    assert not result.passed
    assert any("acknowledged, but no row" in text for text in result.rows[0].violations)
