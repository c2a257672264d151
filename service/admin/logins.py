"""Logins to the console: one password for all operators, and a name for the audit."""

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

IDLE_SECONDS = 2 * 60 * 60.0
MAX_SECONDS = 12 * 60 * 60.0

# The limit counts all names and addresses together, because an attacker can change both.
MAX_FAILURES = 10
FAILURE_WINDOW_SECONDS = 5 * 60.0

MAX_MESSAGES = 20


class WrongPasswordError(Exception):
    """The password is wrong."""


class ThrottledError(Exception):
    """Too many wrong passwords: no password is checked for the next `seconds`."""

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

    def pop_message(self, message_id: str) -> FlashMessage | None:
        """Remove and return the message with that id; None if there is none."""
        return self._messages.pop(message_id, None)


class Logins:
    """All logins, in the memory of this process. A restart ends them."""

    def __init__(self, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._digest = _digest(password)
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=MAX_FAILURES)
        self._logins: dict[str, Login] = {}

    def open(self, name: str, password: str) -> str:
        """Log `name` in and return the secret id of the login. Raises `WrongPasswordError` or `ThrottledError`."""
        now = self._clock()
        wait = self._failures[0] + FAILURE_WINDOW_SECONDS - now if len(self._failures) == MAX_FAILURES else 0.0
        if wait > 0:
            raise ThrottledError(wait)
        if not hmac.compare_digest(_digest(password), self._digest):
            self._failures.append(now)
            raise WrongPasswordError
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


def _is_live(login: Login, now: float) -> bool:
    return now - login.used < IDLE_SECONDS and now - login.opened < MAX_SECONDS


def _digest(password: str) -> bytes:
    # Digests have the same length, so the comparison takes the same time for every password.
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest()
