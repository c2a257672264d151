"""Compare an answer with the rows in the database, by the rules of the contract's RELIABILITY section."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.api.exchange import ApiResponse
from tests.tools.injection.calls import CallKind, State, shown
from tests.tools.injection.faults import Fault

CONNECTION_ERRORS = (aiohttp.ClientError, ConnectionError, TimeoutError)
RECORDED = ("action-successful", "mandrill-email-failed")


@dataclass(frozen=True)
class Exchange:
    """A request by its `marker`, and its answer; None if the connection ended without one."""

    marker: str
    answer: ApiResponse | None

    @property
    def outcome(self) -> str:
        """The outcome: ok, fail or unknown."""
        if self.answer is None or self.answer.outcome == "unknown":
            return "unknown"
        return "ok" if self.answer.status in RECORDED else "fail"


def violations(
    exchange: Exchange, kind: CallKind, state: State, fault: Fault, *, emails: bool, keyed: bool
) -> list[str]:
    """Return what is wrong with an answer, given what the database says of its call."""
    found = [*state.problems, *_of_state(exchange, kind, state), *_of_answer(exchange, kind, fault, keyed=keyed)]
    if any(count != emails for count in state.emails):
        found.append(f"{state.emails} e-mails")
    return found


def may_be_late(exchange: Exchange, kind: CallKind, state: State) -> bool:
    """Whether an answer without a fault is a true crash: a busy machine exceeds the short timeouts of a test."""
    crashed = exchange.answer is not None and exchange.answer.status == "application-crash"
    return crashed and not state.problems and not _of_state(exchange, kind, state)


def _of_state(exchange: Exchange, kind: CallKind, state: State) -> list[str]:
    least, most = {"ok": (1, 1), "fail": (0, 0), "unknown": (0, 1)}[exchange.outcome] if kind.done else (0, 0)
    if not least <= state.carried_out <= most:
        return [f"carried out {state.carried_out} times"]
    if exchange.outcome == "ok":
        assert exchange.answer is not None
        answered = shown(exchange.answer.data)
        return [] if answered == state.data else [f"answered {answered}, not {state.data}"]
    return []


def _of_answer(exchange: Exchange, kind: CallKind, fault: Fault, *, keyed: bool) -> list[str]:
    answer = exchange.answer
    if answer is None:
        return [] if fault.name.endswith(("cancelled", "gone")) else ["no answer"]
    code = answer.code
    expected = {"action-successful": 200, "mandrill-email-failed": 500, "application-crash": 500}
    if fault.name.startswith("22"):
        expected["invalid-param"] = 400
    found = []
    if expected.get(answer.status) != code:
        found.append("unexpected status")
    # An abandoned call with the same key may hold the lock that a statement waited for in vain.
    settled = fault.refusal and not (keyed and fault.name.startswith(("55P03", "57014")))
    if exchange.outcome == "unknown" and settled:
        found.append("outcome is unknown, though the server refused the statement")
    crashed = answer.status == "application-crash" and kind.done is not None
    if crashed and exchange.outcome == "fail" and answer.headers.get("Retry-After") != "1":
        found.append("no Retry-After")
    return found


def summary(exchange: Exchange) -> str:
    """Return a short description of an exchange."""
    answer = exchange.answer
    return "no answer" if answer is None else f"{answer.code} {answer.status} {answer.outcome}"


class Leaks:
    """Resources in use when idle, recorded at the start."""

    def __init__(self, semaphores: Sequence[Any]) -> None:
        self._held = [(semaphore, semaphore._value) for semaphore in semaphores]  # noqa: SLF001

    def found(self, pools: Sequence[Any]) -> list[str]:
        """Return what has not been released since."""
        leaked = [f"a semaphore at {it._value}" for it, value in self._held if it._value != value]  # noqa: SLF001
        holders = [holder for pool in pools for holder in pool._holders]  # noqa: SLF001
        in_use = sum(holder._in_use is not None for holder in holders)  # noqa: SLF001
        queued = sum(pool._queue.qsize() for pool in pools)  # noqa: SLF001
        if in_use or (holders and not math.isclose(queued, len(holders))):
            leaked.append(f"{in_use} connections in use, {queued} of {len(holders)} available")
        return leaked
