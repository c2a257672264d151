"""A wrong system clock in the service. The database's clock is right, and decides when sessions expire."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tests.tools.ledger.faults.fault import fault
from tests.tools.ledger.service import http_get
from tests.tools.ledger.system import SystemUnderTest


@fault(None, long=10, unknowns_per_second=0, variant="8 days ahead")
async def clock_8_days_ahead(system: SystemUnderTest) -> AsyncIterator[None]:
    """The service's clock is 8 days ahead: no session may expire early."""
    assert await _error_of_clock(system) > timedelta(days=7)
    yield


@fault(None, long=10, unknowns_per_second=0, variant="8 days behind")
async def clock_8_days_behind(system: SystemUnderTest) -> AsyncIterator[None]:
    """The service's clock is 8 days behind: no answer may depend on it."""
    assert await _error_of_clock(system) < timedelta(days=-7)
    yield


async def _error_of_clock(system: SystemUnderTest) -> timedelta:
    answer = await http_get(system.service.port, "/ping")
    assert answer is not None
    return parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)
