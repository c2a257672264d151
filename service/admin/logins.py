"""Who is logged in to the operations console: one password for the team, and a name for the audit."""

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

IDLE_SECONDS = 2 * 60 * 60.0
LONGEST_SECONDS = 12 * 60 * 60.0

# Over all names and addresses together: a guesser can change both at will.
FAILURES = 10
FAILURES_WITHIN_SECONDS = 5 * 60.0

MOST_NOTES = 20


class WrongPasswordError(Exception):
    """The password is not the one."""


class ThrottledError(Exception):
    """Too many wrong passwords of late: none is looked at before `seconds` have passed."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Note:
    """What a page tells once: a sentence, and a new token where one was issued."""

    text: str
    token: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Login:
    """One person in one browser."""

    name: str
    csrf: str = field(repr=False)
    opened: float
    used: float
    _notes: dict[str, Note] = field(default_factory=dict, repr=False)

    def leave(self, note: Note) -> str:
        """Keep a note for the next page; the word by which that page asks for it."""
        while len(self._notes) >= MOST_NOTES:
            del self._notes[next(iter(self._notes))]
        word = secrets.token_urlsafe(12)
        self._notes[word] = note
        return word

    def take(self, word: str) -> Note | None:
        """The note kept by that word, the first time that it is asked for."""
        return self._notes.pop(word, None)


class Logins:
    """The logins of this process, in memory: a restart ends them all."""

    def __init__(self, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._digest = _digest(password)
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._logins: dict[str, Login] = {}

    def open(self, name: str, password: str) -> str:
        """Log `name` in; the secret id of the login. Raises `WrongPasswordError` or `ThrottledError`."""
        now = self._clock()
        wait = self._failures[0] + FAILURES_WITHIN_SECONDS - now if len(self._failures) == FAILURES else 0.0
        if wait > 0:
            raise ThrottledError(wait)
        if not hmac.compare_digest(_digest(password), self._digest):
            self._failures.append(now)
            raise WrongPasswordError
        self._logins = {key: login for key, login in self._logins.items() if _alive(login, now)}
        login_id = secrets.token_urlsafe(32)
        self._logins[login_id] = Login(name, secrets.token_urlsafe(32), now, now)
        return login_id

    def find(self, login_id: str, *, used: bool) -> Login | None:
        """The login with that id, unless it has ended; `used` keeps it from ending for lack of use."""
        login, now = self._logins.get(login_id), self._clock()
        if login is None or not _alive(login, now):
            self._logins.pop(login_id, None)
            return None
        if used:
            login.used = now
        return login

    def close(self, login_id: str) -> None:
        """End a login."""
        self._logins.pop(login_id, None)


def _alive(login: Login, now: float) -> bool:
    return now - login.used < IDLE_SECONDS and now - login.opened < LONGEST_SECONDS


def _digest(password: str) -> bytes:
    # Digests are of one length whatever was typed: comparing them takes the same time for all.
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest()
