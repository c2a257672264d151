"""Send generated requests to the service and compare each answer with the model of the contract."""

import asyncio
import os
from itertools import count, islice
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tools.inputs.composer import Composer, strategies
from tests.tools.inputs.contract import Case
from tests.tools.inputs.generator import RARE, SHARES, generate_requests
from tests.tools.inputs.runner import Runner
from tests.tools.inputs.service import MAX_BODY_BYTES, Deployed
from tests.tools.inputs.stories import Story

SEED = int(os.environ.get("FUZZ_SEED", "1"))
COUNT = 4000
FAMILIES = [*SHARES, *dict.fromkeys(RARE.values())]

# Idempotency keys are unique, even if hypothesis repeats an example.
NUMBERS = count(10_000_000)


@pytest.mark.parametrize("family", FAMILIES)
async def test_hypothesis_finds_no_difference(service: Deployed, family: str) -> None:
    """Each example gets the expected status, invalid params and envelope."""
    known = strategies(service.state)
    loop = asyncio.get_running_loop()

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data(), st.randoms(use_true_random=False))
    def search(data: st.DataObject, random: Random) -> None:
        composer = Composer(service.state, MAX_BODY_BYTES, random, lambda name: data.draw(known[name], name), NUMBERS)
        case = composer.families[family]()
        asyncio.run_coroutine_threadsafe(_check(service, family, case), loop).result()

    await asyncio.to_thread(search)


async def _check(service: Deployed, family: str, case: Case | Story) -> None:
    runner = Runner(service.port, service.state, MAX_BODY_BYTES)
    await runner.run(iter([(family, case)]), connections=1)
    assert not runner.results.failures, "\n".join(runner.results.failures)


async def test_a_seed_finds_no_difference(service: Deployed) -> None:
    """Requests over many connections create exactly the rows that the answers report."""
    runner = Runner(service.port, service.state, MAX_BODY_BYTES)
    requests = islice(generate_requests(service.state, SEED), COUNT)
    await service.connection.execute("DELETE FROM requirements")
    await runner.run(requests, connections=16)
    await runner.check_rows(service.connection)
    assert not runner.results.failures, "\n".join([f"FUZZ_SEED={SEED}", *runner.results.failures])
    assert runner.results.counts.total() >= COUNT
    assert len(runner.results.created) > COUNT / 20
    assert service.unexpected_output() == []
