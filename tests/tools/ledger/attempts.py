"""The attempts in a history as rows for the checker. An item of a batch has a row of its own, beside that of its call.

What a sync changes depends on what it finds; events.sql adds a row for each change.

A row that changes something has an `intent`, which identifies the change: the marker of a create, else the marker of
the request and the id of the requirement.
"""

from collections.abc import Container, Iterator
from typing import Any, NamedTuple

import orjson

from tests.tools.ledger.history import Entry

# A client stopped before it recorded a result: its request may have been executed.
_NO_RESULT: Entry = {
    "at": None,
    "outcome": "unknown",
    "status": "no result recorded",
    "outcome_header": None,
    "data": None,
}

# What a batch does with each item.
ITEM_ACTIONS = {"create_many": "create", "destroy_many": "destroy"}


class Attempt(NamedTuple):
    """A row of the table attempts in history.sql. Times are seconds."""

    marker: str
    attempt: int
    action: str
    intent: str | None
    requirement_id: int | None
    caller: str
    expected_status: str
    idempotency_key: str | None
    params: Any
    application_id: int | None
    user_id: int | None
    session_id: int | None
    sent_at: float
    received_at: float | None
    outcome: str
    status: str
    outcome_header: str | None
    data: Any

    def to_row(self) -> tuple[Any, ...]:
        """The row, with JSON as text."""
        data = None if self.data is None else orjson.dumps(self.data).decode()
        return self._replace(params=orjson.dumps(self.params).decode(), data=data)


def attempts(entries: list[Entry], judged: Container[str]) -> Iterator[Attempt]:
    """Yield the attempts at requests with these markers, and those at their items."""
    results = {(entry["marker"], entry["attempt"]): entry for entry in entries if entry["event"] == "received"}
    for sent in entries:
        if sent["event"] == "sent" and sent["marker"] in judged:
            call = _attempt(sent, results.get((sent["marker"], sent["attempt"]), _NO_RESULT))
            yield call
            if call.action in ITEM_ACTIONS:
                yield from _items(call, sent["item_statuses"])


def _attempt(sent: Entry, result: Entry) -> Attempt:
    marker, action, requirement_id = sent["marker"], sent["action"], sent["params"].get("id")
    intents = {"create": marker, "update": f"{marker}/{requirement_id}", "destroy": f"{marker}/{requirement_id}"}
    application_id, user_id, session_id = sent["recorded_for"]
    return Attempt(
        marker=marker,
        attempt=sent["attempt"],
        action=action,
        intent=intents.get(action),
        requirement_id=requirement_id,
        caller=sent["caller"],
        expected_status=sent["expected_status"],
        idempotency_key=sent["idempotency_key"],
        params=sent["params"],
        application_id=application_id,
        user_id=user_id,
        session_id=session_id,
        sent_at=sent["at"],
        received_at=result["at"],
        outcome=result["outcome"],
        status=result["status"],
        outcome_header=result["outcome_header"],
        data=result["data"],
    )


def _items(call: Attempt, statuses: list[str]) -> Iterator[Attempt]:
    creates = call.action == "create_many"
    verdicts: list[dict[str, Any] | None] = call.data["results"] if call.outcome == "ok" else [None] * len(statuses)
    for place, item in enumerate(call.params["requirements" if creates else "ids"]):
        marker = f"{call.marker}.{place}" if creates else call.marker
        attempt = call._replace(
            marker=marker,
            action=ITEM_ACTIONS[call.action],
            intent=marker if creates else f"{call.marker}/{item}",
            requirement_id=None if creates else item,
            expected_status=statuses[place],
            idempotency_key=None if call.idempotency_key is None else f"{call.idempotency_key}.{place}",
            params=item if creates else {"id": item},
            data=None,
        )
        verdict = verdicts[place]
        # The refusal of a call is judged once, not for each of its items.
        yield attempt._replace(status=statuses[place]) if verdict is None else _with_verdict(attempt, verdict)


def _with_verdict(attempt: Attempt, verdict: dict[str, Any]) -> Attempt:
    status, outcome, data = verdict["status"], verdict["outcome"], verdict["data"]
    succeeded = {"create": ("created", "replayed"), "destroy": ("destroyed", "replayed")}[attempt.action]
    if status == "action-successful":
        outcome_ = "ok" if outcome in succeeded and data is not None else "violation"
    else:
        outcome_ = {"none": "fail", "unknown": "unknown"}.get(outcome, "violation") if data is None else "violation"
    return attempt._replace(status=status, outcome=outcome_, outcome_header=outcome, data=data)
