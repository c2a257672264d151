"""Requests spoiled as bytes: a bare 400, or an envelope for each request, and never an answer to something else."""

import asyncio

import pytest

from tests.api.bad_inputs.wire import connected, receive
from tests.tools.inputs.framing_cases import ANSWERED, GOOD, OWED, REFUSED_FRAMING
from tests.tools.inputs.framing_run import is_bare, run_framing
from tests.tools.inputs.running import PATIENCE_SECONDS, Judged
from tests.tools.inputs.service import Deployed
from tests.tools.inputs.test_generated import SEED

COUNT = 3000


async def test_a_seed_of_spoiled_bytes(service: Deployed) -> None:
    """Whatever was flipped, inserted, cut or spliced, the server reads as many requests as the reference does."""
    judged = Judged()
    await run_framing(service, SEED, COUNT, 16, judged)
    assert not judged.failures, "\n".join([f"FUZZ_SEED={SEED}", *judged.failures])
    assert judged.counts.total() == COUNT
    assert service.disorder() == []


CASES = [pytest.param(octets, told, id=name) for name, octets, told in (*REFUSED_FRAMING, *ANSWERED)]


@pytest.mark.parametrize(("octets", "told"), CASES)
async def test_at_the_edge_of_http(service: Deployed, octets: bytes, told: list[str]) -> None:
    """Each request on a connection is answered once, within a second; what breaks the framing ends the connection."""
    async with asyncio.timeout(PATIENCE_SECONDS), connected(service.port) as (reader, writer):
        writer.write(octets)
        answers = [await receive(reader) for _ in told]
        assert ["400" if is_bare(answer) else answer.json()["status"] for answer in answers] == told
        if told[-1] == "400":
            assert await ended(reader)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server has ended the connection, and said nothing more."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_a_caller_that_has_said_all(service: Deployed) -> None:
    """A caller that ends before its body does is not answered, harms no other, and is no fault of ours."""
    async with asyncio.timeout(PATIENCE_SECONDS), connected(service.port) as (reader, writer):
        writer.write(GOOD[:-10])
        writer.write_eof()
        assert b"invalid-token" not in await reader.read()
    async with asyncio.timeout(PATIENCE_SECONDS), connected(service.port) as (reader, writer):
        writer.write(GOOD)
        assert (await receive(reader)).json()["status"] == OWED
    assert service.disorder() == []
