"""Sequences of calls on requirements that no other call changes, each with its exact answer.

A story creates requirements, changes, lists and destroys them, and repeats some calls with their key. In the
end it follows the change feed. It keeps its own account of what must be there.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from tests.api.bad_inputs.cases import Request
from tests.factories import CREATE
from tests.tools.inputs.contract import KEY, Case, Expected
from tests.tools.inputs.contract_family import METHODS
from tests.tools.inputs.family_requests import FAR
from tests.tools.inputs.likenesses import ANY_ID, ANY_TEXT, Errors, Events, Record, Time
from tests.tools.inputs.messages import BASE64, PLAIN, in_base64

STEPS = 6
VALUES = (None, "", "v", "ž" * 20, 'a "quoted" \\ value\n')
LONG_AGO = "2020-01-01T00:00:00Z"


@dataclass(frozen=True)
class Step:
    """A call, and its exact answer. With `until`, it is repeated for a while until the answer is as expected."""

    case: Case
    expected: Expected
    outcome: str = ""
    until: bool = False


class Story:
    """A story that depends only on its seed and its number.

    `rows` are the requirements that are there. `answer` is the data of the last answer.
    """

    def __init__(self, seed: int, number: int, token: str, references: Sequence[Record]) -> None:
        """`references` are to different things that exist. `number` is that of no other story."""
        self._random = Random(seed)  # noqa: S311 - it has to come out the same again
        self._token = token
        self._requireable, *self._required = references
        self._key = f"story {number}"
        self._keys = (f"{self._key}, call {call}" for call in count())
        self._events: list[list[Record]] = []
        self.rows: dict[int, Record] = {}
        self.answer: Any = None

    def steps(self) -> Iterator[Step]:
        """Yield the calls. Set `answer` before the next one is taken."""
        yield self._read_step("changes", {"after": "now"}, {"results": [], "complete": True, "next": ANY_TEXT})
        start = self.answer["next"]
        yield from self._create_many()
        actions = (self._create_many, self._update, self._update, self._destroy, self._destroy_many, self._sync)
        for _ in range(STEPS):
            yield from self._random.choice((*actions, self._list, self._read))()
        yield from self._list()
        params = {"after": start, "key": self._key, "page": {"size": 200}}
        data = {"results": Events(self._events, self._key), "complete": True, "next": ANY_TEXT}
        yield self._read_step("changes", params, data, until=True)

    def _list(self) -> Iterator[Step]:
        listed = self._alike()
        params = {"key": self._key, "requireable": self._requireable, "sort": {"order": "asc"}, "page": {"size": 200}}
        page = {"size": 200, "next": None}
        data = {"results": listed, "complete": True, "page": page, "count": len(listed)}
        yield self._read_step("index", {**params, "count": True}, data)

    def _read(self) -> Iterator[Step]:
        if self.rows:
            row = self._choose_row()
            yield self._read_step("read", {"id": row["id"]}, row)

    def _create_many(self) -> Iterator[Step]:
        items: list[Any] = [self._new_item() for _ in range(self._random.randint(1, 4))]
        verdicts: list[Any] = [_verdict("created", self._new_record(item)) for item in items]
        place = self._random.randrange(len(items))
        if self._random.random() < 0.4:
            name = f"requirements.{place}"
            absent = {**items[place], "required": {"type": "User", "id": FAR}}
            bad, status, params = self._random.choice(
                (
                    (None, "missing-param", [name]),
                    (5, "invalid-param", [name]),
                    ({**items[place], "key": "k" * 256}, "invalid-param", [f"{name}.key"]),
                    (absent, "invalid-param", [f"{name}.required.id"]),
                )
            )
            items[place], verdicts[place] = bad, _refused(status, *params)
        yield from self._batch("create_many", "requirements", items, verdicts)

    def _destroy_many(self) -> Iterator[Step]:
        rows = self._random.sample([*self.rows.values()], self._random.randint(0, min(3, len(self.rows))))
        ids: list[Any] = [row["id"] for row in rows]
        verdicts = [_verdict("destroyed", row) for row in rows]
        if not ids or self._random.random() < 0.4:
            name = f"ids.{len(ids)}"
            bad = self._random.choice((FAR, "x", None, *ids[:1]))
            status = "missing-param" if bad is None else "invalid-param"
            ids.append(bad)
            verdicts.append(_refused(status, name))
        yield from self._batch("destroy_many", "ids", ids, verdicts)

    def _batch(self, action: str, name: str, items: list[Any], verdicts: list[Any]) -> Iterator[Step]:
        atomic = self._random.random() < 0.5
        (bad,) = [one for one in verdicts if one["outcome"] == "none"] or [None]
        params = {name: items, **({"atomic": True} if atomic else {})}
        if atomic and bad is not None:
            yield from self._write(action, params, Expected(bad["status"], bad["errors"].params), "none")
            return
        done = {one["outcome"] for one in verdicts}
        failed = bad is not None
        data = {"results": verdicts, "succeeded": len(verdicts) - failed, "failed": int(failed)}
        outcome = "mixed" if len(done) > 1 else done.pop()
        yield from self._write(action, params, Expected("action-successful", exactly=data), outcome)
        change = "created" if action == "create_many" else "destroyed"
        self._learn([(change, one["data"]) for one in self.answer["results"] if one["data"] is not None])

    def _update(self) -> Iterator[Step]:
        if not self.rows:
            return
        row = self._choose_row()
        changes = {"value": self._random.choice((*VALUES, row["value"]))}
        if self._random.random() < 0.3:
            changes["key"] = self._random.choice((self._key, None, ""))
        params, expected = self._only_if_current(row, changes)
        if expected is not None:
            yield from self._write("update", params, expected, "none")
        elif changes.items() <= row.items():
            yield from self._write("update", params, Expected("action-successful", exactly=row), "none")
        else:
            after = {**row, **changes, "updated_at": Time(row["updated_at"])}
            yield from self._write("update", params, Expected("action-successful", exactly=after), "updated")
            self._learn([("updated", self.answer)])

    def _destroy(self) -> Iterator[Step]:
        if not self.rows:
            return
        row = self._choose_row()
        params, expected = self._only_if_current(row, {})
        if expected is not None:
            yield from self._write("destroy", params, expected, "none")
            return
        yield from self._write("destroy", params, Expected("action-successful", exactly=row), "destroyed")
        self._learn([("destroyed", row)])
        yield self._step("destroy", params, Expected("invalid-param", ("id",)), "none")

    def _sync(self) -> Iterator[Step]:
        dry_run = self._random.random() < 0.2
        items = [
            {"required": one, "key": self._key, "value": self._random.choice(VALUES)}
            for one in self._random.sample(self._required, self._random.randint(0, len(self._required)))
        ]
        params = {"requireable": self._requireable, "requirements": items, "keys": [self._key], "dry_run": dry_run}
        if self._random.random() < 0.15:
            items.append({"required": {"type": "User", "id": FAR}, "key": self._key})
            refusal = Expected("invalid-param", (f"requirements.{len(items) - 1}.required.id",))
            yield from self._write("sync", params, refusal, "none")
            return
        results = self._planned(items, dry_run=dry_run)
        done = {one["change"] for one in results}
        outcome = "none" if dry_run or done <= {"kept"} else done.pop() if len(done) == 1 else "mixed"
        expected = Expected("action-successful", exactly={"results": results})
        yield from self._write("sync", params, expected, outcome)
        if not dry_run:
            changes = [(one["change"], one["requirement"]) for one in self.answer["results"]]
            self._learn([change for change in changes if change[0] != "kept"])

    def _planned(self, items: list[Record], *, dry_run: bool) -> list[Record]:
        """The results of a sync: those of the items, then what is not listed."""
        left, results = self._alike(), []
        for item in items:
            found = [row for row in left if row["required"] == item["required"]]
            if not found:
                unwritten = {"id": None, "created_at": None, "updated_at": None}
                made = self._new_record(item) | (unwritten if dry_run else {})
                results.append({"change": "created", "requirement": made})
                continue
            row = next((row for row in found if row["value"] == item["value"]), found[0])
            left.remove(row)
            if row["value"] == item["value"]:
                results.append({"change": "kept", "requirement": row})
            else:
                time = row["updated_at"] if dry_run else Time(row["updated_at"])
                changed = {**row, "value": item["value"], "updated_at": time}
                results.append({"change": "updated", "requirement": changed})
        return results + [{"change": "destroyed", "requirement": row} for row in left]

    def _only_if_current(self, row: Record, changes: Record) -> tuple[Record, Expected | None]:
        """The params of a change, and the refusal if they name another version of the requirement."""
        params = {"id": row["id"], **changes}
        wanted = self._random.choice((None, None, row["updated_at"], LONG_AGO))
        refusal = Expected("invalid-param", ("if_updated_at",)) if wanted == LONG_AGO else None
        return params | ({"if_updated_at": wanted} if wanted else {}), refusal

    def _learn(self, changes: list[tuple[str, Record]]) -> None:
        for change, record in changes:
            if change == "destroyed":
                del self.rows[record["id"]]
            else:
                self.rows[record["id"]] = record
        self._events.append([{"change": change, "requirement": record} for change, record in changes])

    def _write(self, action: str, params: Record, expected: Expected, outcome: str) -> Iterator[Step]:
        """A call that changes something; some are repeated with their key."""
        key = next(self._keys) if self._random.random() < 0.4 else None
        yield self._step(action, params, expected, outcome, key=key)
        if key is None:
            return
        if expected.exactly is not None:
            replayed = {"created", "updated", "destroyed"}
            expected = Expected(expected.status, exactly=_repeated(self.answer, action, replayed))
            outcome = "replayed" if outcome in replayed or (action == "sync" and outcome == "mixed") else outcome
        yield self._step(action, params, expected, outcome, key=key)

    def _read_step(self, action: str, params: Record, data: Any, *, until: bool = False) -> Step:
        return self._step(action, params, Expected("action-successful", exactly=data), "", until=until)

    def _step(
        self,
        action: str,
        params: Record,
        expected: Expected,
        outcome: str,
        *,
        key: str | None = None,
        until: bool = False,
    ) -> Step:
        content = json.dumps({"token": self._token, **params}).encode()
        kinds, encoding = self._random.choice((PLAIN, BASE64))
        body = in_base64(content) if encoding == "base64" else content
        headers = (*kinds, *(((KEY, key),) if key else ()))
        method = self._random.choice(("POST", METHODS[action]))
        request = Request(body, headers, method, CREATE.replace("create", action))
        case = Case(request, body, encoding, action=action)
        return Step(case, expected, outcome, until)

    def _alike(self) -> list[Record]:
        """The requirements that still have the key of the story, by id."""
        return [row for _, row in sorted(self.rows.items()) if row["key"] == self._key]

    def _choose_row(self) -> Record:
        return self._random.choice([*self.rows.values()])

    def _new_item(self) -> Record:
        required, value = self._random.choice(self._required), self._random.choice(VALUES)
        return {"required": required, "requireable": self._requireable, "key": self._key, "value": value}

    def _new_record(self, item: Record) -> Record:
        return {"id": ANY_ID, "requireable": self._requireable, **item, "created_at": Time(), "updated_at": Time()}


def _verdict(outcome: str, record: Record) -> Record:
    return {"status": "action-successful", "outcome": outcome, "data": record, "errors": []}


def _refused(status: str, *params: str) -> Record:
    return {"status": status, "outcome": "none", "data": None, "errors": Errors(params)}


def _repeated(answer: Any, action: str, replayed: set[str]) -> Any:
    """The data of a repeated call, after the data of the first one."""
    if not action.endswith("_many"):
        return answer
    results = [{**one, "outcome": "replayed"} if one["outcome"] in replayed else one for one in answer["results"]]
    return {**answer, "results": results}
