"""Background tasks: restarts and cancellation."""

import asyncio

import pytest
from structlog.testing import capture_logs

from service.observability import background
from service.observability.background import in_background, run_forever


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restart without a pause."""
    monkeypatch.setattr(background, "RESTART_SECONDS", 0.0)


class Work:
    """Fails `failures` times, then succeeds."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.runs = 0
        self.succeeded = asyncio.Event()

    async def __call__(self) -> None:
        """Run once."""
        self.runs += 1
        if self.runs <= self.failures:
            raise ValueError(f"failure {self.runs}")
        self.succeeded.set()


async def test_work_is_restarted_after_a_failure() -> None:
    """Each failure is logged with its traceback and the work's name; success ends the task."""
    work = Work(2)
    with capture_logs() as lines:
        await run_forever("counting", work)
    assert work.runs == 3
    line = {"event": "background-work-failed", "work": "counting", "log_level": "error", "exc_info": True}
    assert lines == [line, line]


async def test_work_is_cancelled_at_the_end() -> None:
    """The work runs during the block and is cancelled at the end, which is not logged as a failure."""
    work, ended = Work(1), asyncio.Event()

    async def long() -> None:
        await work()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with capture_logs() as lines:
        async with in_background("counting", long):
            await work.succeeded.wait()
        assert ended.is_set()
    assert [line["event"] for line in lines] == ["background-work-failed"]
