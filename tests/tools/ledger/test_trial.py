"""The whole harness, once and small."""

from pathlib import Path

import pytest

from tests.serving.process import REPOSITORY
from tests.tools.ledger.backdrop import standing
from tests.tools.ledger.faults import FAULTS
from tests.tools.ledger.history import History
from tests.tools.ledger.report import report
from tests.tools.ledger.running import play
from tests.tools.ledger.schedule import Step


async def test_two_faults(tmp_path: Path) -> None:
    """A worker is killed and a token rotated under load: it recovers, and every promise is kept."""
    steps = [Step(FAULTS[name], 0.2, 50, 1) for name in ("kill-one-worker", "rotate-a-token")]
    said: list[str] = []
    with History(tmp_path / "history.jsonl") as history:
        async with standing(tmp_path, history, REPOSITORY, thorough=False) as backdrop:
            result = await play(steps, backdrop, tmp_path, 1, said.append)
    assert [line for line in report(result, coloured=False).splitlines() if "BROKEN" in line] == []
    assert [row.name for row in result.rows] == ["kill-one-worker", "rotate-a-token"]
    assert all(row.counts["ok"] and row.counts["fail"] for row in result.rows)
    assert result.rows[0].counts["unknown"] <= result.rows[0].bound


async def test_a_lying_service_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that loses rows behind the service's back breaks the promise, and the verdict says so."""
    lossy = """
        CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN DELETE FROM requirements WHERE id = NEW.id - 10; RETURN NULL; END $$;
        CREATE TRIGGER lose AFTER INSERT ON requirements FOR EACH ROW WHEN (NEW.id % 20 = 0) EXECUTE FUNCTION lose();
    """
    monkeypatch.setattr("tests.tools.ledger.running.WARM_UP_SECONDS", 0.1)
    with History(tmp_path / "history.jsonl") as history:
        async with standing(tmp_path, history, REPOSITORY, thorough=False) as backdrop:
            async with backdrop.postgres.connection() as connection:
                await connection.execute(lossy)
            result = await play([Step(FAULTS["delay"], 0.2, 50, 1)], backdrop, tmp_path, 1, lambda _: None)
    assert not result.faultless
    assert any("acknowledged, but not there" in text for text in result.rows[0].broken)
