"""The faults, and the operations and moments at which each can occur."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import asyncpg


class Operation(Enum):
    """An operation that a request awaits."""

    CONNECT = "connect"  # open a connection
    ACQUIRE = "acquire"  # acquire a connection from the pool
    STATEMENT = "statement"
    RELEASE = "release"  # release a connection to the pool
    POST = "post"  # send an e-mail to Mandrill


class Moment(Enum):
    """When the fault occurs. DURING: the operation is in progress; AFTER: it took effect and its result is lost."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


class Action(Enum):
    """What a fault does."""

    RAISE = "raise"  # raise an error from the operation
    CANCEL = "cancel"  # cancel the request
    DISCONNECT = "hang up"  # close the caller's connection
    SLOW = "slow"  # wait longer than any timeout


@dataclass(frozen=True)
class Fault:
    """A fault. `refusal`: the server reports that the statement had no effect."""

    name: str
    action: Action
    operations: frozenset[Operation]
    error: Callable[[], BaseException] = TimeoutError
    refusal: bool = False

    def moments(self, operation: Operation) -> list[Moment]:
        """Return the moments at which the fault can occur in this operation."""
        if operation not in self.operations:
            return []
        if operation is Operation.RELEASE:
            # The driver always releases or drops the connection, even when it raises.
            return [Moment.AFTER]
        if self.refusal or operation is Operation.ACQUIRE:
            return [Moment.BEFORE]
        return list(Moment) if self.action is Action.CANCEL else [Moment.BEFORE, Moment.AFTER]


@dataclass(frozen=True)
class Injection:
    """A fault to inject into the `number`th matching operation; if `persistent`, into all later ones too."""

    fault: Fault
    moment: Moment
    number: int
    persistent: bool = False

    def __str__(self) -> str:
        return f"{self.fault.name} {self.moment.value} {'from ' * self.persistent}operation {self.number}"


ANYWHERE = frozenset(Operation)
DATABASE = ANYWHERE - {Operation.POST}
SERVER = frozenset({Operation.STATEMENT})
SERVER_OR_START = SERVER | {Operation.CONNECT}


def _server_error(sqlstate: str) -> Callable[[], BaseException]:
    """Return a factory of the driver's exception for a server error."""
    return lambda: asyncpg.PostgresError.new({"C": sqlstate, "M": "injected", "S": "ERROR", "V": "ERROR"})


def _refusal(name: str, sqlstate: str) -> Fault:
    return Fault(f"{sqlstate} {name}", Action.RAISE, SERVER, _server_error(sqlstate), refusal=True)


def _loss(name: str, sqlstate: str) -> Fault:
    return Fault(f"{sqlstate} {name}", Action.RAISE, SERVER_OR_START, _server_error(sqlstate))


REQUEST_CANCELLED = Fault("request cancelled", Action.CANCEL, ANYWHERE)
CLIENT_DISCONNECTED = Fault("client gone", Action.DISCONNECT, ANYWHERE)
CANCELLED = Fault("operation cancelled", Action.RAISE, ANYWHERE, asyncio.CancelledError)
TIMEOUT = Fault("TimeoutError", Action.RAISE, ANYWHERE, TimeoutError)
RESET = Fault(
    "ConnectionResetError", Action.RAISE, ANYWHERE - {Operation.ACQUIRE}, lambda: ConnectionResetError(104, "reset")
)
INTERFACE = Fault("InterfaceError", Action.RAISE, DATABASE, lambda: asyncpg.InterfaceError("injected"))
UNFORESEEN = Fault("MemoryError", Action.RAISE, SERVER, MemoryError)
SLOW = Fault("slow", Action.SLOW, ANYWHERE - {Operation.RELEASE})
STALE_PLAN = _refusal("cached plan", "0A000")
DEADLOCK = _refusal("deadlock", "40P01")
OUT_OF_RANGE = _refusal("out of range", "22003")
NOT_UNIQUE = _refusal("not unique", "23505")
SHUTTING_DOWN = _loss("shutting down", "57P01")
TOO_MANY = _loss("too many connections", "53300")

ALL_FAULTS = (
    REQUEST_CANCELLED,
    CLIENT_DISCONNECTED,
    CANCELLED,
    TIMEOUT,
    RESET,
    INTERFACE,
    UNFORESEEN,
    SHUTTING_DOWN,
    TOO_MANY,
    _loss("connection failure", "08006"),
    _refusal("read only", "25006"),
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
"""Every family of errors in service/database/errors.py, and errors from other sources."""

SOME_FAULTS = (REQUEST_CANCELLED, CANCELLED, TIMEOUT, RESET, SHUTTING_DOWN, DEADLOCK, NOT_UNIQUE)
"""One fault for each kind of answer."""

FEW_FAULTS = (REQUEST_CANCELLED, RESET, NOT_UNIQUE)
"""For setups in which every case has many operations."""
