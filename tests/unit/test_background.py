"""Work in the background: what becomes of it when it fails."""

import asyncio

import pytest
from structlog.testing import capture_logs

from service.observability import background
from service.observability.background import in_background, run_forever


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin anew without the pause."""
    monkeypatch.setattr(background, "RESTART_SECONDS", 0.0)


class Work:
    """Fails as often as it is told to, then succeeds."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.begun = 0
        self.succeeded = asyncio.Event()

    async def __call__(self) -> None:
        """Do it once."""
        self.begun += 1
        if self.begun <= self.failures:
            raise ValueError(f"failure {self.begun}")
        self.succeeded.set()


async def test_it_begins_anew_after_each_failure() -> None:
    """Each failure is logged with its traceback under the work's name; once it succeeds, that is all."""
    work = Work(2)
    with capture_logs() as lines:
        await run_forever("counting", work)
    assert work.begun == 3
    told = {"event": "background-work-failed", "work": "counting", "log_level": "error", "exc_info": True}
    assert lines == [told, told]


async def test_it_goes_on_meanwhile_and_is_cancelled_at_the_end() -> None:
    """What is beside it runs while it does; at the end it is over, and cancelling it is no failure."""
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
