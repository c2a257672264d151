"""A clock that is wrong: the service's own, while the database's is right. Sessions live by the database's."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tests.tools.ledger.faults.kinds import fault
from tests.tools.ledger.scene import Scene
from tests.tools.ledger.service import ask


@fault(None, long=10, unknowns=0, stage="8 days ahead")
async def clock_8_days_ahead(scene: Scene) -> AsyncIterator[None]:
    """The service believes that it is 8 days later: no session has expired."""
    assert await _error_of_clock(scene) > timedelta(days=7)
    yield


@fault(None, long=10, unknowns=0, stage="8 days behind")
async def clock_8_days_behind(scene: Scene) -> AsyncIterator[None]:
    """The service believes that it is 8 days earlier."""
    assert await _error_of_clock(scene) < timedelta(days=-7)
    yield


async def _error_of_clock(scene: Scene) -> timedelta:
    answer = await ask(scene.service.port, "/ping")
    assert answer is not None
    return parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)
