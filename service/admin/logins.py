"""Logins to the console: one password for all operators, and a name for the audit."""

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network

IDLE_SECONDS = 2 * 60 * 60.0
MAX_SECONDS = 12 * 60 * 60.0

# Wrong passwords are counted for each pair of address and name, so that nobody locks another person out. The limit of
# an address stops somebody who changes the name. Names that have logged in from the address before are exempt from it.
MAX_FAILURES = 10
MAX_FAILURES_OF_ADDRESS = 100
FAILURE_WINDOW_SECONDS = 5 * 60.0
MAX_FAILURES_KEPT = 10_000

MAX_MESSAGES = 20


class WrongPasswordError(Exception):
    """The password is wrong."""


class ThrottledError(Exception):
    """Too many wrong passwords: none is checked for this address and name for the next `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class FlashMessage:
    """A message shown once, on the page after a change. `token` is a newly issued token."""

    text: str
    token: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Login:
    """The login of one operator in one browser. `opened` and `used` are times of the clock of `Logins`."""

    name: str
    csrf: str = field(repr=False)
    opened: float
    used: float
    _messages: dict[str, FlashMessage] = field(default_factory=dict, repr=False)

    def add_message(self, message: FlashMessage) -> str:
        """Store a message for the next page and return its id. Drops the oldest above `MAX_MESSAGES`."""
        while len(self._messages) >= MAX_MESSAGES:
            del self._messages[next(iter(self._messages))]
        message_id = secrets.token_urlsafe(12)
        self._messages[message_id] = message
        return message_id

    def message(self, message_id: str) -> FlashMessage | None:
        """Return the message with that id without removing it; None if there is none."""
        return self._messages.get(message_id)

    def pop_message(self, message_id: str) -> FlashMessage | None:
        """Remove and return the message with that id; None if there is none."""
        return self._messages.pop(message_id, None)


class Logins:
    """All logins, in the memory of this process. A restart ends them."""

    def __init__(self, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._digest = _digest(password)
        self._clock = clock
        self._failures: deque[_Failure] = deque(maxlen=MAX_FAILURES_KEPT)
        self._known: set[tuple[str, str]] = set()  # the address and name of those who have logged in
        self._logins: dict[str, Login] = {}

    def open(self, name: str, password: str, address: str) -> str:
        """Log `name` in from `address` and return the secret id of the login.

        Raises `WrongPasswordError` or `ThrottledError`.
        """
        now, address, caller = self._clock(), _network(address), name.casefold()
        wait = self._seconds_to_wait(now, address, caller)
        if wait > 0:
            raise ThrottledError(wait)
        if not hmac.compare_digest(_digest(password), self._digest):
            self._failures.append(_Failure(now, address, caller))
            raise WrongPasswordError
        self._known.add((address, caller))
        self._logins = {key: login for key, login in self._logins.items() if _is_live(login, now)}
        login_id = secrets.token_urlsafe(32)
        self._logins[login_id] = Login(name, secrets.token_urlsafe(32), now, now)
        return login_id

    def find(self, login_id: str, *, used: bool) -> Login | None:
        """The login with that id; None if it has expired. `used` restarts its idle timeout."""
        login, now = self._logins.get(login_id), self._clock()
        if login is None or not _is_live(login, now):
            self._logins.pop(login_id, None)
            return None
        if used:
            login.used = now
        return login

    def close(self, login_id: str) -> None:
        """End a login. Does nothing for an unknown id."""
        self._logins.pop(login_id, None)

    def _seconds_to_wait(self, now: float, address: str, name: str) -> float:
        while self._failures and self._failures[0].at + FAILURE_WINDOW_SECONDS <= now:
            self._failures.popleft()
        of_address = [failure for failure in self._failures if failure.address == address]
        of_pair = [failure for failure in of_address if failure.name == name]
        counted = [(of_pair, MAX_FAILURES)]
        if (address, name) not in self._known:
            counted.append((of_address, MAX_FAILURES_OF_ADDRESS))
        return max(_seconds_until_allowed(failures, limit, now) for failures, limit in counted)


@dataclass(frozen=True, slots=True)
class _Failure:
    """A wrong password: when, from which address, with which name."""

    at: float
    address: str
    name: str


def _seconds_until_allowed(failures: Sequence[_Failure], limit: int, now: float) -> float:
    """The time until fewer than `limit` of the failures, which are in order of time, are within the window."""
    return failures[-limit].at + FAILURE_WINDOW_SECONDS - now if len(failures) >= limit else 0.0


def _network(address: str) -> str:
    """What stands for one machine: an IPv4 address, or the /64 of an IPv6 address, which one machine has for itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed.packed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)


def _is_live(login: Login, now: float) -> bool:
    return now - login.used < IDLE_SECONDS and now - login.opened < MAX_SECONDS


def _digest(password: str) -> bytes:
    # Digests have the same length, so the comparison takes the same time for every password.
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest()
