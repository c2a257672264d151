"""Requests spoiled as bytes: a bare 400, or an envelope for each request, and never an answer to something else."""

from tests.inputs.framing_run import run_framing
from tests.inputs.running import Judged
from tests.inputs.service import Deployed
from tests.inputs.test_generated import SEED

COUNT = 3000


async def test_a_seed_of_spoiled_bytes(service: Deployed) -> None:
    """Whatever was flipped, inserted, cut or spliced, the server reads as many requests as the reference does."""
    judged = Judged()
    await run_framing(service, SEED, COUNT, 16, judged)
    assert not judged.failures, "\n".join([f"FUZZ_SEED={SEED}", *judged.failures])
    assert judged.counts.total() == COUNT
    assert service.disorder() == []
