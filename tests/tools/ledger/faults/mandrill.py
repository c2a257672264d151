"""Faults of Mandrill, while the service sends an e-mail for each requirement."""

import functools
from collections.abc import AsyncIterator

from tests.mail.mandrill_server import answering, failing, hang, saying
from tests.tools.ledger.faults.fault import fault
from tests.tools.ledger.system import SystemUnderTest

mandrill_fault = functools.partial(fault, 1.5, long=10, unknowns_per_second=0, variant="with e-mails")


@mandrill_fault()
async def mandrill_down(system: SystemUnderTest) -> AsyncIterator[None]:
    """Mandrill refuses connections."""
    await system.mandrill.stop()
    yield
    await system.mandrill.start()


@mandrill_fault()
async def mandrill_silent(system: SystemUnderTest) -> AsyncIterator[None]:
    """Mandrill accepts requests and never responds."""
    with system.mandrill.behaving(hang):
        yield


@mandrill_fault()
async def mandrill_failing(system: SystemUnderTest) -> AsyncIterator[None]:
    """Mandrill responds with 500."""
    with system.mandrill.behaving(failing(500)):
        yield


@mandrill_fault()
async def mandrill_rejecting(system: SystemUnderTest) -> AsyncIterator[None]:
    """Mandrill rejects every recipient."""
    with system.mandrill.behaving(answering("rejected")):
        yield


@mandrill_fault()
async def mandrill_talking_nonsense(system: SystemUnderTest) -> AsyncIterator[None]:
    """Mandrill responds with invalid JSON."""
    with system.mandrill.behaving(saying("<html>come back later</html>")):
        yield
