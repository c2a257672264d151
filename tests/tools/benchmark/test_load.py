"""The load generator tells what it was answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.tools.benchmark.load import Order, Outcome
from tests.tools.benchmark.processes import generator

Answers = Callable[[tuple[bytes, ...]], Awaitable[Outcome]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
DOWN = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def answered() -> AsyncIterator[Answers]:
    """What comes of a load whose every request is answered with these pieces, one write each."""
    async with generator() as load:

        async def put(pieces: tuple[bytes, ...]) -> Outcome:
            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while await reader.read(65536) and pieces:
                    for piece in pieces:
                        writer.write(piece)
                        await asyncio.sleep(0)
                writer.close()

            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            async with server:
                return await load.carry_out(Order(2, 0.1, "session", 10, port=server.sockets[0].getsockname()[1]))

        yield put


@pytest.mark.parametrize("pieces", [(OK,), (OK[:9], OK[9:30], OK[30:])], ids=["whole", "in pieces"])
async def test_good_answers_are_counted(answered: Answers, pieces: tuple[bytes, ...]) -> None:
    """However the network cuts them."""
    outcome = await answered(pieces)
    assert outcome.failures == {}
    assert outcome.answers >= outcome.rate * 0.1 > 0


async def test_another_status_is_a_failure(answered: Answers) -> None:
    """Each one counts."""
    outcome = await answered((DOWN,))
    assert outcome.failures == {"HTTP/1.1 503": outcome.answers}


@pytest.mark.parametrize(
    ("pieces", "failure"), [((), "a connection was closed"), ((ENDLESS,), "an answer without Content-Length")]
)
async def test_no_answer_is_a_failure(answered: Answers, pieces: tuple[bytes, ...], failure: str) -> None:
    """Each connection counts, and the load ends."""
    outcome = await answered(pieces)
    assert (outcome.answers, outcome.failures) == (0, {failure: 2})
