"""The calls of a load that change many requirements: what each sends, and what is expected without faults."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.tools.ledger.callers import Population
from tests.tools.ledger.subjects import Subject, Subjects

SUCCESS = "action-successful"
INVALID = "invalid-param"
MOST_ITEMS = 20

# So many requirements of a batch are then changed by others, lest a few batches replace all that the load knows.
MOST_CHANGEABLE = 3

# From here on, no id exists.
FAR = 2**62


@dataclass(frozen=True, slots=True)
class Batch:
    """The params of a call, and its expected status. `item_statuses` are those of its items, if they have any."""

    params: dict[str, Any]
    expected_status: str = SUCCESS
    item_statuses: tuple[str, ...] = ()


class Batches:
    """Makes batches of 2 to 20 items, some of which must be refused."""

    def __init__(
        self,
        population: Population,
        subjects: Subjects,
        choose: Random,
        new_requirement: Callable[[str, str | None], dict[str, Any]],
    ) -> None:
        """`new_requirement` makes the params of a create from its marker and its key."""
        self._population = population
        self._subjects = subjects
        self._choose = choose
        self._new_requirement = new_requirement

    def create_many(self, marker: str) -> Batch:
        """Requirements of which the first few are then changed by others. Each has a marker of its own."""
        keys = [self._subjects.new_key() if place < MOST_CHANGEABLE else None for place in range(self._count())]
        items = [self._new_requirement(f"{marker}.{place}", key) for place, key in enumerate(keys)]
        bad = self._choose.randrange(len(items)) if self._choose.random() < 0.2 else None
        if bad is not None:
            items[bad]["required"] = {"type": "User", "id": FAR + bad}
        return self._judged("requirements", items, bad)

    def destroy_many(self) -> Batch:
        """Up to three requirements that others change, too, and others of earlier batches."""
        shared = self._choose.randint(0, MOST_CHANGEABLE)
        chosen = [*self._subjects.some(shared), *self._subjects.spared(self._count() - shared)]
        # The answers to a call and to its repetition spare the same requirements.
        ids = list(dict.fromkeys(subject.id for subject in chosen))
        bad = self._choose.randint(0, len(ids)) if not ids or self._choose.random() < 0.2 else None
        if bad is not None:
            ids.insert(bad, FAR + bad)
        return self._judged("ids", ids, bad)

    def sync(self, marker: str, subject: Subject) -> Batch:
        """A sync of the thing that requires what the `subject` says, about its key.

        Some of the listed requirements are there already, with the same value or with another one.
        """
        key, requireable = subject.record["key"], subject.record["requireable"]
        listed = {
            _named(known["required"]): self._choose.choice((known["value"], f"changed by {marker}"))
            for known in self._subjects.alike(requireable, key)
            if self._choose.random() < 0.7
        }
        for required in self._choose.sample(self._population.references, self._choose.randint(0, 8)):
            listed.setdefault(required, f"{marker}/synced")
        items = [
            {"required": {"type": kind, "id": number}, "key": key, "value": value}
            for (kind, number), value in listed.items()
        ]
        bad = self._choose.random() < 0.1
        if bad:
            items.append({"required": {"type": "User", "id": FAR}, "key": key, "value": None})
        params = {
            "requireable": requireable,
            "requirements": items,
            "keys": [key],
            "dry_run": self._choose.random() < 0.1,
        }
        return Batch(params, INVALID if bad else SUCCESS)

    def _judged(self, name: str, items: Sequence[Any], bad: int | None) -> Batch:
        atomic = self._choose.random() < 0.5
        statuses = [SUCCESS if bad is None or (place != bad and not atomic) else INVALID for place in range(len(items))]
        refused = atomic and bad is not None
        return Batch({name: items, "atomic": atomic}, INVALID if refused else SUCCESS, tuple(statuses))

    def _count(self) -> int:
        return self._choose.randint(2, MOST_ITEMS)


def _named(reference: Mapping[str, Any]) -> tuple[str, int]:
    return reference["type"], reference["id"]
