"""How long a refusal takes tells nothing of the token that was refused.

Each round asks for both tokens over one connection, in an order drawn anew. If time told nothing, either would be the
slower one in half of the rounds, whatever the machine is busy with: the sign test needs no more than that. A
difference counts when it shows in three samples, each of them larger and taken apart from the others.
"""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from math import sqrt
from secrets import choice, token_urlsafe
from string import ascii_letters

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from service.api.app import create_app
from service.config import Config
from service.storage import applications
from tests.conftest import AppClient, Client
from tests.factories import CREATE, Records

# Beyond this, chance has one in a hundred thousand, and that three times in a row.
SIGNIFICANT = 4.5
ROUNDS = (300, 600, 1200)

# What is planted: well below what any network hides, and what a comparison of strings in Python costs a caller.
LEAK_SECONDS_PER_CHARACTER = 8e-6

MARGIN_SECONDS = 0.001

Send = Callable[[str], Awaitable[float]]
Token = Callable[[], str]


@pytest.fixture
async def live(records: Records) -> str:
    """A token that opens."""
    return (await records.application()).token


async def asked(client: Client) -> AsyncIterator[Send]:
    """How many seconds a refusal of a token takes, over one connection that is open already."""
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as http:

        async def send(token: str) -> float:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            began = time.perf_counter()
            async with http.post(client.make_url(CREATE), data=b'{"key": "k"}', headers=headers) as response:
                body = await response.read()
            seconds = time.perf_counter() - began
            assert response.status == 401
            assert b"invalid-token" in body
            return seconds

        yield send


async def score(send: Send, first: Token, second: Token, rounds: int, margin: float) -> float:
    """By how many standard deviations the second one was slower, by more than `margin`, than half of the time."""
    slower = 0
    for _ in range(rounds):
        tokens = [(0, first()), (1, second())]
        random.shuffle(tokens)
        seconds = {kind: await send(token) for kind, token in tokens}
        slower += seconds[1] - seconds[0] > margin
    return (2 * slower - rounds) / sqrt(rounds)


async def scores(client: Client, second: Token, *, show: bool, margin: float = 0.0) -> list[float]:
    """How tokens compare with unknown ones in ever larger samples, until one does, or does not, `show` a difference."""
    found: list[float] = []
    async for send in asked(client):
        await score(send, unknown, second, 50, margin)  # connections are opened, statements prepared
        for rounds in ROUNDS:
            found.append(await score(send, unknown, second, rounds, margin))
            if (abs(found[-1]) >= SIGNIFICANT) is show or (margin and found[-1] < SIGNIFICANT):
                break
    return found


def unknown() -> str:
    """A token that nobody owns."""
    return token_urlsafe(32)


def nearly(token: str) -> Callable[[], str]:
    """Tokens that share all but the last character with a real one."""
    return lambda: token[:-1] + choice([letter for letter in ascii_letters if letter != token[-1]])


async def test_the_time_of_a_refusal_does_not_tell_a_near_miss(client: Client, live: str) -> None:
    """A token that is right but for its last character is refused as fast as any other."""
    found = await scores(client, nearly(live), show=False)
    print(f"\nnear miss: {found}")  # noqa: T201 - seen with -s
    assert abs(found[-1]) < SIGNIFICANT, found


async def test_a_revoked_token_is_refused_in_the_same_millisecond(client: Client, records: Records) -> None:
    """To find a row that opens nothing costs next to nothing: only who holds that token could measure it at all."""
    application = await records.application()
    await applications.revoke_application_tokens(records.connection, application.slug, None)
    found = await scores(client, lambda: application.token, show=False, margin=MARGIN_SECONDS)
    print(f"\nrevoked: {found}")  # noqa: T201 - seen with -s
    assert found[-1] < SIGNIFICANT, found


async def test_a_comparison_that_stops_early_would_be_seen(
    config: Config, records: Records, aiohttp_client: AppClient, live: str
) -> None:
    """The same test sees a service that compares tokens character by character."""
    await records.deploy()
    app = create_app(config)

    @web.middleware
    async def comparing(request: web.Request, handler: Handler) -> web.StreamResponse:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        same = next((at for at, (a, b) in enumerate(zip(token, live, strict=False)) if a != b), len(live))
        until = time.perf_counter() + same * LEAK_SECONDS_PER_CHARACTER
        while time.perf_counter() < until:
            pass
        return await handler(request)

    app.middlewares.insert(0, comparing)
    found = await scores(await aiohttp_client(app), nearly(live), show=True)
    print(f"\nplanted: {found}")  # noqa: T201 - seen with -s
    assert found[-1] >= SIGNIFICANT, found
