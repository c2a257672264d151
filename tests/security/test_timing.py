"""The duration of a refusal reveals nothing about the refused token.

Each round sends both tokens over one connection, in random order. If the duration revealed nothing, either token would
be slower in half of the rounds, whatever the load of the machine: this is a sign test. A difference counts if it shows
in three independent samples of increasing size.
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

# Standard deviations. By chance one sample exceeds this with a probability of about 1 in 100,000.
SIGNIFICANT = 4.5
ROUNDS = (300, 600, 1200)

# The planted leak, well below network jitter.
LEAK_SECONDS_PER_CHARACTER = 8e-6

MARGIN_SECONDS = 0.001

Send = Callable[[str], Awaitable[float]]
Token = Callable[[], str]


@pytest.fixture
async def valid_token(records: Records) -> str:
    """A valid token."""
    return (await records.application()).token


async def refusal_timer(client: Client) -> AsyncIterator[Send]:
    """A function that returns the seconds that a refusal of a token takes, over one open connection."""
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
    """The standard deviations from half of the rounds by which the second token was slower by more than `margin`."""
    slower = 0
    for _ in range(rounds):
        tokens = [(0, first()), (1, second())]
        random.shuffle(tokens)
        seconds = {kind: await send(token) for kind, token in tokens}
        slower += seconds[1] - seconds[0] > margin
    return (2 * slower - rounds) / sqrt(rounds)


async def scores(client: Client, second: Token, *, show: bool, margin: float = 0.0) -> list[float]:
    """Compare tokens with unknown ones in increasing samples, until one does (or does not) `show` a difference."""
    found: list[float] = []
    async for send in refusal_timer(client):
        await score(send, unknown, second, 50, margin)  # warm-up: open connections, prepare statements
        for rounds in ROUNDS:
            found.append(await score(send, unknown, second, rounds, margin))
            if (abs(found[-1]) >= SIGNIFICANT) is show or (margin and found[-1] < SIGNIFICANT):
                break
    return found


def unknown() -> str:
    """A token that does not exist."""
    return token_urlsafe(32)


def near_misses(token: str) -> Callable[[], str]:
    """Tokens that differ from a valid one only in the last character."""
    return lambda: token[:-1] + choice([letter for letter in ascii_letters if letter != token[-1]])


async def test_a_near_miss_takes_no_longer(client: Client, valid_token: str) -> None:
    """A token with only its last character wrong is refused as fast as any other."""
    found = await scores(client, near_misses(valid_token), show=False)
    print(f"\nnear miss: {found}")  # noqa: T201 - shown with -s
    assert abs(found[-1]) < SIGNIFICANT, found


async def test_a_revoked_token_is_refused_in_the_same_millisecond(client: Client, records: Records) -> None:
    """A revoked token is refused within a millisecond of an unknown one; only its holder could measure less."""
    application = await records.application()
    await applications.revoke_application_tokens(records.connection, application.slug, None)
    found = await scores(client, lambda: application.token, show=False, margin=MARGIN_SECONDS)
    print(f"\nrevoked: {found}")  # noqa: T201 - shown with -s
    assert found[-1] < SIGNIFICANT, found


async def test_an_early_exit_comparison_is_detected(
    config: Config, records: Records, aiohttp_client: AppClient, valid_token: str
) -> None:
    """The test detects a service that compares tokens character by character."""
    await records.deploy()
    app = create_app(config)

    @web.middleware
    async def slow_comparison(request: web.Request, handler: Handler) -> web.StreamResponse:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        equal_characters = next(
            (at for at, (a, b) in enumerate(zip(token, valid_token, strict=False)) if a != b), len(valid_token)
        )
        until = time.perf_counter() + equal_characters * LEAK_SECONDS_PER_CHARACTER
        while time.perf_counter() < until:
            pass
        return await handler(request)

    app.middlewares.insert(0, slow_comparison)
    found = await scores(await aiohttp_client(app), near_misses(valid_token), show=True)
    print(f"\nplanted: {found}")  # noqa: T201 - shown with -s
    assert found[-1] >= SIGNIFICANT, found
