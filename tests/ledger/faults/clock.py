"""A clock that is wrong: the service's own, while the database's is right. Sessions live by the database's."""

from collections.abc import AsyncIterator

from tests.ledger.faults.kinds import fault
from tests.ledger.scene import Scene


@fault(None, long=10, unknowns=0, stage="8 days ahead")
async def clock_8_days_ahead(_scene: Scene) -> AsyncIterator[None]:
    """The service believes that it is 8 days later: no session has expired."""
    yield


@fault(None, long=10, unknowns=0, stage="8 days behind")
async def clock_8_days_behind(_scene: Scene) -> AsyncIterator[None]:
    """The service believes that it is 8 days earlier."""
    yield
