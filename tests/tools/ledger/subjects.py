"""The requirements that a load changes and reads, as far as its clients know them."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.tools.ledger.callers import Caller

# So few that clients often change the same requirement at once.
MOST_SUBJECTS = 40

# Requirements in a group have a key in common, by which they are listed. A page must hold all of them.
GROUP_SIZE = 40
MOST_GROUPS = 3

# Requirements of batches that nobody changes, until another batch destroys them.
MOST_SPARE = 200


@dataclass(slots=True)
class Subject:
    """A requirement that was acknowledged, the caller that created it, and its last version that a client was told."""

    id: int
    caller: Caller
    record: Mapping[str, Any]


class Subjects:
    """The latest requirements and groups. Older ones are forgotten."""

    def __init__(self, run: str, random: Random) -> None:
        """`run` begins the keys of groups."""
        self._run = run
        self._random = random
        self._subjects: dict[int, Subject] = {}
        self._spare: deque[Subject] = deque(maxlen=MOST_SPARE)
        self._groups: deque[str] = deque([f"group-{run}-0"], maxlen=MOST_GROUPS)
        self._keys_given = 0

    def choose(self) -> Subject | None:
        """Return a requirement, if any is known."""
        return self._random.choice([*self._subjects.values()]) if self._subjects else None

    def some(self, count: int) -> list[Subject]:
        """Return up to `count` different requirements."""
        return self._random.sample([*self._subjects.values()], min(count, len(self._subjects)))

    def spared(self, count: int) -> list[Subject]:
        """Return up to `count` requirements that nobody changes, and forget them."""
        return [self._spare.popleft() for _ in range(min(count, len(self._spare)))]

    def alike(self, requireable: Mapping[str, Any], key: str | None) -> list[Mapping[str, Any]]:
        """Return the records of the known requirements of one thing with this key."""
        known = (subject.record for subject in self._subjects.values())
        return [record for record in known if (record["requireable"], record["key"]) == (requireable, key)]

    def choose_group(self) -> str:
        """Return the key of a group."""
        return self._random.choice(self._groups)

    def new_key(self) -> str:
        """Return the key for a new requirement, or for one that changes its group."""
        self._keys_given += 1
        if self._keys_given % GROUP_SIZE == 0:
            self._groups.append(f"group-{self._run}-{self._keys_given // GROUP_SIZE}")
        return self._groups[-1]

    def created(self, record: Mapping[str, Any], caller: Caller, *, spare: bool = False) -> None:
        """Remember a requirement that was created, if it is `spare`, only to be destroyed by a batch."""
        if spare:
            self._spare.append(Subject(record["id"], caller, record))
            return
        self._subjects[record["id"]] = Subject(record["id"], caller, record)
        if len(self._subjects) > MOST_SUBJECTS:
            del self._subjects[next(iter(self._subjects))]

    def seen(self, record: Mapping[str, Any]) -> None:
        """Remember a version, unless a later one is known."""
        known = self._subjects.get(record["id"])
        if known is not None and record["updated_at"] > known.record["updated_at"]:
            known.record = record

    def gone(self, requirement_id: int) -> None:
        """Forget a requirement that was destroyed."""
        self._subjects.pop(requirement_id, None)
