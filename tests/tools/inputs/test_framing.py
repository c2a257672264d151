"""Malformed bytes get a bare 400 or one envelope for each request, never an answer to a different request."""

import asyncio

import pytest

from tests.api.bad_inputs.wire import connected, receive
from tests.tools.inputs.framing_cases import ANSWERED, INVALID_TOKEN, REFUSED_FRAMING, WELL_FORMED
from tests.tools.inputs.framing_runner import is_bare, run_framing
from tests.tools.inputs.runner import TIMEOUT_SECONDS, Results
from tests.tools.inputs.service import Deployed
from tests.tools.inputs.test_generated import SEED

COUNT = 3000


async def test_mutated_bytes(service: Deployed) -> None:
    """The server finds as many requests in mutated bytes as the reference does."""
    results = Results()
    await run_framing(service, SEED, COUNT, 16, results)
    assert not results.failures, "\n".join([f"FUZZ_SEED={SEED}", *results.failures])
    assert results.counts.total() == COUNT
    assert service.unexpected_output() == []


CASES = [pytest.param(octets, expected, id=name) for name, octets, expected in (*REFUSED_FRAMING, *ANSWERED)]


@pytest.mark.parametrize(("octets", "expected"), CASES)
async def test_at_the_edge_of_http(service: Deployed, octets: bytes, expected: list[str]) -> None:
    """Each request is answered once; invalid framing ends the connection."""
    async with asyncio.timeout(TIMEOUT_SECONDS), connected(service.port) as (reader, writer):
        writer.write(octets)
        answers = [await receive(reader) for _ in expected]
        assert ["400" if is_bare(answer) else answer.json()["status"] for answer in answers] == expected
        if expected[-1] == "400":
            assert await ended(reader)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Return whether the server closed the connection without sending more."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_a_caller_that_closes_early(service: Deployed) -> None:
    """A caller that closes before its body ends gets no answer, and causes no error in the log."""
    async with asyncio.timeout(TIMEOUT_SECONDS), connected(service.port) as (reader, writer):
        writer.write(WELL_FORMED[:-10])
        writer.write_eof()
        assert b"invalid-token" not in await reader.read()
    async with asyncio.timeout(TIMEOUT_SECONDS), connected(service.port) as (reader, writer):
        writer.write(WELL_FORMED)
        assert (await receive(reader)).json()["status"] == INVALID_TOKEN
    assert service.unexpected_output() == []
