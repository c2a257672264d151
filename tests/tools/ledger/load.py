"""Many concurrent clients: half keep one connection each, half open a new connection for every request."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tests.tools.ledger.callers import Population
from tests.tools.ledger.history import History
from tests.tools.ledger.http_client import HttpClient, NoAnswerError, NotSentError
from tests.tools.ledger.outcomes import NO_ANSWER, NOT_SENT, TIMED_OUT, AttemptResult, Outcome, classify, lost
from tests.tools.ledger.requests import Request, Requests

# The service limits the time of a request, so a response that takes longer than this is lost.
TIMEOUT_SECONDS = 15.0

# Pause of a client after an unexpected result.
PAUSE_SECONDS = 0.05

ATTEMPTS = 4  # for a keyed request with an unknown outcome
REPEATS = 50  # one request in this many repeats a recorded request, and one reuses its key


class Load:
    """A set of clients; created by `load`. While paused, clients finish the current request and send no other."""

    def __init__(self, url: str, requests: Requests, history: History) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.requests = requests
        self.history = history
        self.counts: Counter[Outcome] = Counter()
        self.success_times: list[float] = []  # times of successes, on the history's clock
        self._attempts: Counter[str] = Counter()
        self._recorded: deque[Request] = deque(maxlen=200)
        self._running = asyncio.Event()
        self._running.set()
        self._choices = 0
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def pause(self) -> None:
        """Pause the clients; return once no request is in flight."""
        self._running.clear()
        await self._idle.wait()

    def resume(self) -> None:
        """End a pause."""
        self._running.set()

    def http_client(self, *, keep_alive: bool = False) -> HttpClient:
        """Return an HTTP client for requests besides those of the clients."""
        return HttpClient(*self.address, keep_alive=keep_alive)

    def begin(self, request: Request) -> int:
        """Record that a request is about to be sent; return the number of this attempt."""
        self._attempts[request.marker] += 1
        attempt = self._attempts[request.marker]
        self.history.sent(request, attempt)
        return attempt

    def end(self, request: Request, attempt: int, result: AttemptResult) -> AttemptResult:
        """Record the result of an attempt."""
        self.history.received(request, attempt, result)
        self.requests.learn(request, result)
        self.counts[result.outcome] += 1
        if result.outcome == "ok":
            self.success_times.append(self.history.now)
        return result

    async def attempt(self, request: Request, client: HttpClient) -> AttemptResult:
        """Send a request, record it, and return its result."""
        attempt = self.begin(request)
        try:
            result = classify(await client.send(request.message, TIMEOUT_SECONDS), request.action)
        except NotSentError:
            result = NOT_SENT
        except NoAnswerError:
            result = lost(request.action, NO_ANSWER)
        except TimeoutError:
            result = lost(request.action, TIMED_OUT)
        return self.end(request, attempt, result)

    @contextlib.asynccontextmanager
    async def clients(self, count: int) -> AsyncIterator[None]:
        """Run `count` more clients until the context ends; each finishes its current request."""
        ending = asyncio.Event()
        tasks = [asyncio.create_task(self._client(ending, keep_alive=number % 2 == 0)) for number in range(count)]
        try:
            yield
        finally:
            ending.set()
            self.resume()
            await asyncio.gather(*tasks)

    async def _client(self, ending: asyncio.Event, *, keep_alive: bool) -> None:
        client = self.http_client(keep_alive=keep_alive)
        while not ending.is_set():
            async with self.active():
                await self._send_next(client)
        client.close()

    @contextlib.asynccontextmanager
    async def active(self) -> AsyncIterator[None]:
        """Wait for the end of a pause, and let a pause wait for the end of the block."""
        await self._running.wait()
        self._active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()

    async def _send_next(self, client: HttpClient) -> None:
        request = self._choose()
        for _ in range(ATTEMPTS):
            result = await self.attempt(request, client)
            if result.outcome == "unknown" or not request.foresees(result.status):
                await asyncio.sleep(PAUSE_SECONDS)
            if result.outcome != "unknown" or request.idempotency_key is None:
                break
        if request.idempotency_key and result.outcome == "ok" and request.uses_key_up(result.outcome_header):
            self._recorded.append(request)

    def _choose(self) -> Request:
        turn = self._choices = (self._choices + 1) % REPEATS
        if turn > 1 or not self._recorded:
            return self.requests.next()
        if turn:
            return self._recorded[0]
        # The key of a sync that did not change its first item is refused to other batches, but not to a create.
        earlier = next((request for request in reversed(self._recorded) if request.action != "sync"), None)
        return self.requests.next() if earlier is None else self.requests.reuse_key(earlier)


@contextlib.asynccontextmanager
async def load(
    url: str, population: Population, history: History, *, clients: int = 64, seed: int = 1
) -> AsyncIterator[Load]:
    """Run a load on the service at `url` until the context ends; each client finishes its current request."""
    made = Load(url, Requests(population, seed), history)
    async with made.clients(clients):
        yield made
