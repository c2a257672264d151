"""Faults of Mandrill, with the service sending an e-mail for each requirement."""

import functools
from collections.abc import AsyncIterator

from tests.mail.mandrill_server import answering, failing, hang, saying
from tests.tools.ledger.faults.kinds import fault
from tests.tools.ledger.scene import Scene

mandrill_fault = functools.partial(fault, 1.5, long=10, unknowns=0, stage="with e-mails")


@mandrill_fault()
async def mandrill_down(scene: Scene) -> AsyncIterator[None]:
    """Nobody listens there."""
    await scene.mandrill.stop()
    yield
    await scene.mandrill.start()


@mandrill_fault()
async def mandrill_silent(scene: Scene) -> AsyncIterator[None]:
    """It takes e-mails, and says nothing."""
    with scene.mandrill.behaving(hang):
        yield


@mandrill_fault()
async def mandrill_failing(scene: Scene) -> AsyncIterator[None]:
    """It answers 500."""
    with scene.mandrill.behaving(failing(500)):
        yield


@mandrill_fault()
async def mandrill_rejecting(scene: Scene) -> AsyncIterator[None]:
    """It rejects every recipient."""
    with scene.mandrill.behaving(answering("rejected")):
        yield


@mandrill_fault()
async def mandrill_talking_nonsense(scene: Scene) -> AsyncIterator[None]:
    """It answers with what is no JSON."""
    with scene.mandrill.behaving(saying("<html>come back later</html>")):
        yield
