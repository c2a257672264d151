"""Generated requests against the service as it is deployed, each answer compared with what the model says is owed."""

import asyncio
import os
from itertools import count, islice
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tools.inputs.composing import Composer, strategies
from tests.tools.inputs.contract import Asked
from tests.tools.inputs.generated import SHARES, generated
from tests.tools.inputs.running import Runner
from tests.tools.inputs.service import MAX_BODY_BYTES, Deployed

SEED = int(os.environ.get("FUZZ_SEED", "1"))
COUNT = 4000
FAMILIES = [*SHARES, "sizes"]

# No idempotency key is used twice, whatever hypothesis repeats.
NUMBERS = count(10_000_000)


@pytest.mark.parametrize("family", FAMILIES)
async def test_hypothesis_finds_no_difference(service: Deployed, family: str) -> None:
    """Whatever hypothesis puts together gets the status, the params at fault and the envelope that it is owed."""
    known = strategies(service.world)
    loop = asyncio.get_running_loop()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data(), st.randoms(use_true_random=False))
    def search(data: st.DataObject, random: Random) -> None:
        composer = Composer(service.world, MAX_BODY_BYTES, random, lambda name: data.draw(known[name], name), NUMBERS)
        asked = composer.families[family]()
        asyncio.run_coroutine_threadsafe(_judge(service, family, asked), loop).result()

    await asyncio.to_thread(search)


async def _judge(service: Deployed, family: str, asked: Asked) -> None:
    runner = Runner(service.port, service.world, MAX_BODY_BYTES)
    await runner.run(iter([(family, asked)]), connections=1)
    assert not runner.judged.failures, "\n".join(runner.judged.failures)


async def test_a_seed_finds_no_difference(service: Deployed) -> None:
    """As many requests as fit into a test, over many connections, leave rows exactly where they said so."""
    runner = Runner(service.port, service.world, MAX_BODY_BYTES)
    requests = islice(generated(service.world, SEED), COUNT)
    await service.connection.execute("DELETE FROM requirements")
    await runner.run(requests, connections=16)
    await runner.judge_rows(service.connection)
    assert not runner.judged.failures, "\n".join([f"FUZZ_SEED={SEED}", *runner.judged.failures])
    assert runner.judged.counts.total() >= COUNT
    assert len(runner.judged.created) > COUNT / 20
    assert service.disorder() == []
