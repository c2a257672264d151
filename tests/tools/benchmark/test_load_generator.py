"""The load generator reports the answers it receives."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.tools.benchmark.load_generator import LoadSpec, Outcome
from tests.tools.benchmark.processes import generator

Answers = Callable[[tuple[bytes, ...]], Awaitable[Outcome]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
DOWN = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def answering_server() -> AsyncIterator[Answers]:
    """Run a load against a server that answers every request with these pieces, one write each."""
    async with generator() as load:

        async def send_load(pieces: tuple[bytes, ...]) -> Outcome:
            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while await reader.read(65536) and pieces:
                    for piece in pieces:
                        writer.write(piece)
                        await asyncio.sleep(0)
                writer.close()

            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            async with server:
                return await load.run(LoadSpec(2, 0.1, "session", 10, port=server.sockets[0].getsockname()[1]))

        yield send_load


@pytest.mark.parametrize("pieces", [(OK,), (OK[:9], OK[9:30], OK[30:])], ids=["whole", "in pieces"])
async def test_good_answers_are_counted(answering_server: Answers, pieces: tuple[bytes, ...]) -> None:
    """Answers may arrive in pieces."""
    outcome = await answering_server(pieces)
    assert outcome.failures == {}
    assert outcome.answers >= outcome.rate * 0.1 > 0


async def test_another_status_is_a_failure(answering_server: Answers) -> None:
    """Each answer with a different status counts as a failure."""
    outcome = await answering_server((DOWN,))
    assert outcome.failures == {"HTTP/1.1 503": outcome.answers}


@pytest.mark.parametrize(
    ("pieces", "failure"), [((), "a connection was closed"), ((ENDLESS,), "an answer without Content-Length")]
)
async def test_no_answer_is_a_failure(answering_server: Answers, pieces: tuple[bytes, ...], failure: str) -> None:
    """Each failed connection counts, and the load ends."""
    outcome = await answering_server(pieces)
    assert (outcome.answers, outcome.failures) == (0, {failure: 2})
