"""The ways in which an awaited operation fails, and which of them can strike where."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import asyncpg


class Place(Enum):
    """What a request waits for."""

    CONNECT = "connect"  # a connection being opened
    ACQUIRE = "acquire"  # one of the pool's
    STATEMENT = "statement"
    RELEASE = "release"  # a connection being given back
    POST = "post"  # an e-mail being handed to Mandrill


class Moment(Enum):
    """When it fails: in between, the operation is under way; after it took effect, only its answer is lost."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class Act(Enum):
    """What a fault does."""

    RAISE = "raise"  # the operation fails
    CANCEL = "cancel"  # the request that wants it is cancelled
    HANG_UP = "hang up"  # the caller is gone
    SLOW = "slow"  # no answer comes within any limit


@dataclass(frozen=True)
class Fault:
    """One way to fail. A `refusal` is the server's word that nothing of a statement was carried out."""

    name: str
    act: Act
    places: frozenset[Place]
    error: Callable[[], BaseException] = TimeoutError
    refusal: bool = False

    def moments(self, place: Place) -> list[Moment]:
        """When it can strike there."""
        if place not in self.places:
            return []
        if place is Place.RELEASE:
            # The driver gives a connection back, or drops it, whatever it raises.
            return [Moment.AFTER]
        if self.refusal or place is Place.ACQUIRE:
            return [Moment.BEFORE]
        return list(Moment) if self.act is Act.CANCEL else [Moment.BEFORE, Moment.AFTER]


@dataclass(frozen=True)
class Strike:
    """A fault at the `number`th operation that it can strike at that moment; with `lasting`, at each later one too."""

    fault: Fault
    moment: Moment
    number: int
    lasting: bool = False

    def __str__(self) -> str:
        return f"{self.fault.name} {self.moment.value} {'from ' * self.lasting}operation {self.number}"


ANYWHERE = frozenset(Place)
DATABASE = ANYWHERE - {Place.POST}
SERVER = frozenset({Place.STATEMENT})
SERVER_OR_START = SERVER | {Place.CONNECT}


def _said(sqlstate: str) -> Callable[[], BaseException]:
    """What the driver makes of an error that the server tells."""
    return lambda: asyncpg.PostgresError.new({"C": sqlstate, "M": "injected", "S": "ERROR", "V": "ERROR"})


def _refusal(name: str, sqlstate: str) -> Fault:
    return Fault(f"{sqlstate} {name}", Act.RAISE, SERVER, _said(sqlstate), refusal=True)


def _loss(name: str, sqlstate: str) -> Fault:
    return Fault(f"{sqlstate} {name}", Act.RAISE, SERVER_OR_START, _said(sqlstate))


REQUEST_CANCELLED = Fault("request cancelled", Act.CANCEL, ANYWHERE)
CLIENT_GONE = Fault("client gone", Act.HANG_UP, ANYWHERE)
CANCELLED = Fault("operation cancelled", Act.RAISE, ANYWHERE, asyncio.CancelledError)
TIMEOUT = Fault("TimeoutError", Act.RAISE, ANYWHERE, TimeoutError)
RESET = Fault("ConnectionResetError", Act.RAISE, ANYWHERE - {Place.ACQUIRE}, lambda: ConnectionResetError(104, "reset"))
INTERFACE = Fault("InterfaceError", Act.RAISE, DATABASE, lambda: asyncpg.InterfaceError("injected"))
UNFORESEEN = Fault("MemoryError", Act.RAISE, SERVER, MemoryError)
SLOW = Fault("slow", Act.SLOW, ANYWHERE - {Place.RELEASE})
STALE_PLAN = _refusal("cached plan", "0A000")
DEADLOCK = _refusal("deadlock", "40P01")
OUT_OF_RANGE = _refusal("out of range", "22003")
NOT_UNIQUE = _refusal("not unique", "23505")
SHUTTING_DOWN = _loss("shutting down", "57P01")
TOO_MANY = _loss("too many connections", "53300")

EVERY = (
    REQUEST_CANCELLED,
    CLIENT_GONE,
    CANCELLED,
    TIMEOUT,
    RESET,
    INTERFACE,
    UNFORESEEN,
    SHUTTING_DOWN,
    TOO_MANY,
    _loss("connection failure", "08006"),
    _loss("read only", "25006"),
    OUT_OF_RANGE,
    NOT_UNIQUE,
    _refusal("no such reference", "23503"),
    _refusal("serialization", "40001"),
    DEADLOCK,
    STALE_PLAN,
    _refusal("no such statement", "26000"),
    _refusal("no such table", "42P01"),
    _refusal("lock not available", "55P03"),
    _refusal("statement timeout", "57014"),
    _refusal("unknown", "XX000"),
)
"""Every family of the table in service/database/errors.py, and what comes from elsewhere."""

SOME = (REQUEST_CANCELLED, CANCELLED, TIMEOUT, RESET, SHUTTING_DOWN, DEADLOCK, NOT_UNIQUE)
"""One of each kind of answer."""

FEW = (REQUEST_CANCELLED, RESET, NOT_UNIQUE)
"""Where every case takes many operations."""
