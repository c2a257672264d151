"""Generate the requests of the load from a seed, each with a unique marker."""

import base64
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from service.api.actions import ACTIONS
from tests.tools.ledger.batches import FAR, MOST_CHANGEABLE, SUCCESS, Batches
from tests.tools.ledger.callers import Caller, Population
from tests.tools.ledger.outcomes import AttemptResult
from tests.tools.ledger.subjects import Subject, Subjects

UNKNOWN_CALLER = Caller("unknown caller", "an unknown token")
KEYS = (None, "", "tier", "clé", "k" * 255)
TAILS = ("", " gold", " žluťoučký kůň 🐎", " " + "x" * 1000)

# Each replaces one param with an invalid value.
BAD_PARAMS: tuple[tuple[str, object, str], ...] = (
    ("required", {"type": "User", "id": "5"}, "invalid-param"),
    ("required", {"type": "Planet", "id": 5}, "invalid-param"),
    ("requireable", {"type": "User", "id": 0}, "invalid-param"),
    ("requireable", None, "missing-param"),
    ("key", "k" * 256, "invalid-param"),
    ("session_view", "everything", "invalid-param"),
)

PATHS = {action.name: action.path for action in ACTIONS}
METHODS = {action.name: action.methods for action in ACTIONS}

# The share of creates of requirements that nobody changes.
PLAIN_CREATES = 0.62

# The others, by weight: "create" makes a requirement that others change.
OTHERS = {
    "create": 6,
    "update": 14,
    "destroy": 3,
    "read": 7,
    "index": 4,
    "create_many": 3,
    "destroy_many": 2,
    "sync": 3,
}
BATCHES = ("create_many", "destroy_many", "sync")

PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `expected_status` is its status without faults; with `idempotency_key` it can be retried.

    `item_statuses` are the expected statuses of the items of a batch. `changeable` says that the created requirements
    are then changed by others.
    """

    marker: str
    caller: Caller
    params: dict[str, Any]
    expected_status: str = SUCCESS
    idempotency_key: str | None = None
    encoded: bool = False
    action: str = "create"
    method: str = "POST"
    item_statuses: tuple[str, ...] = ()
    changeable: bool = False
    head: bytes = field(init=False)
    body: bytes = field(init=False)

    def __post_init__(self) -> None:
        body = orjson.dumps(self.params)
        body = base64.b64encode(body) if self.encoded else body
        lines = [
            f"{self.method} {PATHS[self.action]} HTTP/1.1",
            "Host: ledger",
            f"X-Request-ID: {self.marker}",
            f"Content-Type: {'text/plain' if self.encoded else 'application/json'}",
            f"Content-Length: {len(body)}",
            *([f"Idempotency-Key: {self.idempotency_key}"] if self.idempotency_key else []),
        ]
        object.__setattr__(self, "head", "\r\n".join([*lines, "", ""]).encode())
        object.__setattr__(self, "body", body)

    @property
    def message(self) -> bytes:
        """The whole request as bytes."""
        return self.head + self.body

    def foresees(self, status: str) -> bool:
        """Whether this status is no sign of a fault."""
        expected = {self.expected_status, "mandrill-email-failed"}
        return status in expected or (self.may_lose_a_race and status == "invalid-param")

    def uses_key_up(self, outcome: str | None) -> bool:
        """Whether a repeated call replays a success with this outcome, whatever others change meanwhile."""
        return outcome != "none" and (outcome != "mixed" or self.action == "sync")

    @property
    def may_lose_a_race(self) -> bool:
        """Whether a change by another client may refuse the request."""
        return self.action in ("read", "update", "destroy") or (self.action == "destroy_many" and self.params["atomic"])


class Requests:
    """Generator of requests, each with a new marker, which begins with `run`.

    The seed decides what is sent; which requirements are changed and read depends also on the answers, see `learn`.
    """

    def __init__(self, population: Population, seed: int) -> None:
        self._population = population
        self._random = random.Random(seed)  # noqa: S311 - nothing to be guessed
        self._names = {caller.name for caller in population.callers}
        self._applications = [caller for caller in population.callers if caller.user_id is None]
        self._sessions = [caller for caller in population.callers if caller.user_id is not None]
        self.run = secrets.token_hex(4)
        self.subjects = Subjects(self.run, self._random)
        self._batches = Batches(population, self.subjects, self._random, self._new_requirement)
        self._made = 0

    def next(self) -> Request:
        """Return a request: mostly valid ones, a third of these with a key, and some that must be refused."""
        if self._random.random() >= PLAIN_CREATES:
            return self._other()
        roll = self._random.random()
        if roll < 0.04:
            return self.make(caller=UNKNOWN_CALLER, expected_status="invalid-token")
        if roll < 0.08:
            return self.make(expected_status="invalid-param", keyed=roll < 0.06, changes={"required": self._absent()})
        if roll < 0.14:
            name, value, expected_status = self._random.choice(BAD_PARAMS)
            return self.make(expected_status=expected_status, changes={name: value})
        return self.make(keyed=roll > 0.7)

    def make(
        self,
        *,
        caller: Caller | None = None,
        expected_status: str = SUCCESS,
        keyed: bool = False,
        changes: Mapping[str, object] | None = None,
        changeable: bool = False,
    ) -> Request:
        """Return a create by `caller` (default: any). `changes` replace params, never the value (marker)."""
        caller = caller or self._random.choice(self._population.callers)
        marker = self._marker()
        params = {
            "token": caller.token,
            **self._new_requirement(marker, self._random.choice(KEYS)),
            **({"key": self.subjects.new_key()} if changeable else {}),
            **(changes or {}),
        }
        key = f"key-{marker}" if keyed else None
        return Request(marker, caller, params, expected_status, key, self._encoded(), changeable=changeable)

    def reuse_key(self, earlier: Request) -> Request:
        """Return a different request with the key of an `earlier` recorded one."""
        other = self.make(caller=earlier.caller, expected_status="invalid-param")
        return replace(other, idempotency_key=earlier.idempotency_key)

    def write(self, *, keyed: bool) -> Request:
        """Return a create, an update, a destroy, or a batch, whose items may have to be refused."""
        subject = self.subjects.choose()
        if subject is not None and self._random.random() < 0.3:
            return self._batch(self._random.choice(BATCHES), subject, keyed=keyed)
        if subject is None or self._random.random() < 0.5:
            return self.make(keyed=keyed, changeable=True)
        if self._random.random() < 0.7:
            return self.update(subject, keyed=keyed)
        return self.destroy(subject, keyed=keyed)

    def update(self, subject: Subject, *, keyed: bool = False, if_current: bool = False) -> Request:
        """Return an update of its value, its key or both, `if_current` only of the version that is known."""
        marker = self._marker()
        params: dict[str, Any] = {"id": subject.id}
        roll = self._random.random()
        if roll < 0.05:
            params["value"] = subject.record["value"]
        elif roll < 0.75:
            params["value"] = f"changed by {marker}"
        if roll > 0.6:
            params["key"] = self.subjects.new_key()
        if if_current:
            params["if_updated_at"] = subject.record["updated_at"]
        return self._of("update", self._caller_for(subject), params, keyed=keyed, marker=marker)

    def destroy(self, subject: Subject, *, keyed: bool = False, if_current: bool = False) -> Request:
        """Return a destroy, `if_current` only of the version that is known."""
        condition = {"if_updated_at": subject.record["updated_at"]} if if_current else {}
        return self._of("destroy", self._caller_for(subject), {"id": subject.id, **condition}, keyed=keyed)

    def read(self, subject: Subject) -> Request:
        """Return a read."""
        return self._of("read", self._caller_for(subject), {"id": subject.id})

    def index(self, caller: Caller) -> Request:
        """Return a list of the requirements with one key."""
        by, order = self._random.choice(("id", "created_at", "updated_at")), self._random.choice(("asc", "desc"))
        params = {
            "key": self.subjects.choose_group(),
            "page": {"size": PAGE_SIZE},
            "sort": {"by": by, "order": order},
            "count": self._random.random() < 0.3,
        }
        return self._of("index", caller, params)

    def stranger(self, subject: Subject) -> Caller | None:
        """Return a client's session that does not see the requirement, if there is one."""
        strangers = [caller for caller in self._sessions if caller.user_id != subject.caller.user_id]
        return self._random.choice(strangers) if strangers else None

    def learn(self, request: Request, result: AttemptResult) -> None:
        """Remember what an answer says about requirements that other requests may change or read."""
        if request.caller.name not in self._names:
            return
        if result.outcome == "ok" and result.data is not None:
            for place, (change, record) in enumerate(_changes(request, result)):
                self._learn(change, record, request.caller, spare=place >= MOST_CHANGEABLE)
        elif result.status == "invalid-param" and request.may_lose_a_race and request.expected_status == SUCCESS:
            # It was destroyed, or it is not what the load knows.
            for number in request.params.get("ids", [request.params.get("id")]):
                self.subjects.gone(number)

    def _learn(self, change: str | None, record: Mapping[str, Any], caller: Caller, *, spare: bool) -> None:
        if change == "created":
            self.subjects.created(record, caller, spare=spare)
        elif change == "destroyed":
            self.subjects.gone(record["id"])
        elif change == "seen":
            self.subjects.seen(record)

    def _other(self) -> Request:
        """A request of another kind, or a create of a requirement that others change."""
        (action,) = self._random.choices([*OTHERS], [*OTHERS.values()])
        keyed = self._random.random() < 0.4
        subject = self.subjects.choose()
        if action == "create" or subject is None:
            return self.make(keyed=keyed, changeable=True)
        if action == "index":
            return self.index(self._random.choice(self._population.callers))
        if action in BATCHES:
            return self._batch(action, subject, keyed=keyed)
        stranger = self.stranger(subject) if self._random.random() < 0.05 else None
        if stranger is not None:
            params = {"id": subject.id, **({"value": "a stranger's"} if action == "update" else {})}
            return self._of(action, stranger, params, expected_status="invalid-param")
        if action == "read":
            return self.read(subject)
        if_current = self._random.random() < 0.4
        changing = self.update if action == "update" else self.destroy
        return changing(subject, keyed=keyed, if_current=if_current)

    def _batch(self, action: str, subject: Subject, *, keyed: bool) -> Request:
        marker = self._marker()
        caller = self._random.choice(self._population.callers)
        if action == "create_many":
            batch = self._batches.create_many(marker)
        elif action == "destroy_many":
            caller, batch = self._random.choice(self._applications), self._batches.destroy_many()
        else:
            caller, batch = self._caller_for(subject), self._batches.sync(marker, subject)
        return self._of(
            action,
            caller,
            batch.params,
            expected_status=batch.expected_status,
            item_statuses=batch.item_statuses,
            keyed=keyed,
            marker=marker,
        )

    def _of(
        self,
        action: str,
        caller: Caller,
        params: Mapping[str, Any],
        *,
        expected_status: str = SUCCESS,
        keyed: bool = False,
        item_statuses: tuple[str, ...] = (),
        marker: str | None = None,
    ) -> Request:
        marker = marker or self._marker()
        return Request(
            marker,
            caller,
            {"token": caller.token, **params},
            expected_status,
            f"key-{marker}" if keyed else None,
            self._encoded(),
            action,
            self._random.choice(METHODS[action]),
            item_statuses,
        )

    def _new_requirement(self, marker: str, key: str | None) -> dict[str, Any]:
        (required, requireable) = (self._random.choice(self._population.references) for _ in range(2))
        return {
            "required": {"type": required[0], "id": required[1]},
            "requireable": {"type": requireable[0], "id": requireable[1]},
            "key": key,
            "value": marker + self._random.choice(TAILS),
        }

    def _caller_for(self, subject: Subject) -> Caller:
        """A caller that sees the requirement: an application, or the one that created it."""
        if self._applications and self._random.random() < 0.4:
            return self._random.choice(self._applications)
        return subject.caller

    def _absent(self) -> dict[str, Any]:
        return {"type": "User", "id": FAR + self._made}

    def _marker(self) -> str:
        self._made += 1
        return f"{self.run}-{self._made}"

    def _encoded(self) -> bool:
        return self._random.random() < 0.3


def _changes(request: Request, result: AttemptResult) -> list[tuple[str | None, Any]]:
    """What a success says about requirements: created, destroyed, or seen as they are."""
    action, data = request.action, result.data or {}
    if action == "create":
        return [(result.outcome_header, data)] if request.changeable else []
    if action == "destroy":
        return [("destroyed", data)]
    if action in ("create_many", "destroy_many"):
        return [(item["outcome"], item["data"]) for item in data["results"] if item["data"] is not None]
    if action == "sync" and not request.params["dry_run"]:
        seen = {"updated": "seen", "kept": "seen"}
        return [(seen.get(one["change"], one["change"]), one["requirement"]) for one in data["results"]]
    return [("seen", data)] if action in ("read", "update") else []
