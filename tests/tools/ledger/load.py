"""Many clients at once, half of them on one connection each, half on a new one for every request."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tests.tools.ledger.callers import Population
from tests.tools.ledger.history import History
from tests.tools.ledger.outcomes import NO_ANSWER, NOT_SENT, TOO_LATE, Outcome, Seen, classify
from tests.tools.ledger.requests import Request, Requests
from tests.tools.ledger.wire import NoAnswerError, NotSentError, Wire

# A request has a budget of its own in the service; whoever waits for longer than this was forgotten.
PATIENCE_SECONDS = 15.0

# What a client waits after anything but a success or a refusal that it asked for.
PAUSE_SECONDS = 0.05

ATTEMPTS = 4  # of a request with a key whose outcome is unknown
REPEATS = 50  # every how many requests a client repeats one that was recorded, or uses its key for another


class Load:
    """The clients; `load` makes them. They can be paused: then each ends what it has begun, and begins nothing."""

    def __init__(self, url: str, requests: Requests, history: History) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.requests = requests
        self.history = history
        self.counts: Counter[Outcome] = Counter()
        self.oks: list[float] = []  # when each success was seen, on the history's clock
        self._attempts: Counter[str] = Counter()
        self._recorded: deque[Request] = deque(maxlen=200)
        self._running = asyncio.Event()
        self._running.set()
        self._turns = 0
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def pause(self) -> None:
        """Return once no client has a request under way."""
        self._running.clear()
        await self._idle.wait()

    def resume(self) -> None:
        """Go on after a pause."""
        self._running.set()

    def wire(self, *, keep: bool = False) -> Wire:
        """A connection for whoever wants to ask beside the clients."""
        return Wire(*self.address, keep=keep)

    def begin(self, request: Request) -> int:
        """Note that a request is about to be sent; the number of this attempt."""
        self._attempts[request.marker] += 1
        attempt = self._attempts[request.marker]
        self.history.sent(request, attempt)
        return attempt

    def end(self, request: Request, attempt: int, seen: Seen) -> Seen:
        """Note how an attempt ended."""
        self.history.saw(request, attempt, seen)
        self.counts[seen.outcome] += 1
        if seen.outcome == "ok":
            self.oks.append(self.history.now)
        return seen

    async def attempt(self, request: Request, wire: Wire) -> Seen:
        """Send a request and see what comes of it, both in the history."""
        attempt = self.begin(request)
        try:
            seen = classify(await wire.ask(request.message, PATIENCE_SECONDS))
        except NotSentError:
            seen = NOT_SENT
        except NoAnswerError:
            seen = NO_ANSWER
        except TimeoutError:
            seen = TOO_LATE
        return self.end(request, attempt, seen)

    @contextlib.asynccontextmanager
    async def clients(self, count: int) -> AsyncIterator[None]:
        """So many clients more meanwhile; at the end each ends what it has begun."""
        ending = asyncio.Event()
        tasks = [asyncio.create_task(self._client(ending, keep=number % 2 == 0)) for number in range(count)]
        try:
            yield
        finally:
            ending.set()
            self.resume()
            await asyncio.gather(*tasks)

    async def _client(self, ending: asyncio.Event, *, keep: bool) -> None:
        wire = self.wire(keep=keep)
        while not ending.is_set():
            await self._running.wait()
            self._busy += 1
            self._idle.clear()
            try:
                await self._turn(wire)
            finally:
                self._busy -= 1
                if not self._busy:
                    self._idle.set()
        wire.close()

    async def _turn(self, wire: Wire) -> None:
        request = self._choose()
        for _ in range(ATTEMPTS):
            seen = await self.attempt(request, wire)
            if seen.outcome == "unknown" or seen.status not in (request.want, "mandrill-email-failed"):
                await asyncio.sleep(PAUSE_SECONDS)
            if seen.outcome != "unknown" or request.idempotency_key is None:
                break
        if request.idempotency_key and seen.outcome == "ok":
            self._recorded.append(request)

    def _choose(self) -> Request:
        turn = self._turns = (self._turns + 1) % REPEATS
        if turn > 1 or not self._recorded:
            return self.requests.next()
        return self._recorded[0] if turn else self.requests.clash(self._recorded[-1])


@contextlib.asynccontextmanager
async def load(
    url: str, population: Population, history: History, *, clients: int = 64, seed: int = 1
) -> AsyncIterator[Load]:
    """A load on the service at `url`; at the end each client ends what it has begun."""
    made = Load(url, Requests(population, seed), history)
    async with made.clients(clients):
        yield made
