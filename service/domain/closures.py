"""The closure of a thing: everything that can be reached from it through requirements, level by level."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from hashlib import sha256
from heapq import nsmallest
from operator import attrgetter
from typing import NamedTuple

from service.domain.cycles import components
from service.domain.graph import Thing
from service.domain.references import Reference

# The number of things in one answer, and of requirements that close a cycle.
MAX_THINGS = 10_000
MAX_CYCLES = 10_000
# While a walk finds many more things than its page can hold, this many more are kept until they are sorted.
_SPARE_THINGS = 1_000


class Reached(NamedTuple):
    """A thing of a closure: its least depth, and the requirement by which it was reached at that depth."""

    thing: Reference
    depth: int
    requirement_id: int


class Closing(NamedTuple):
    """A requirement that closes a cycle: it leads from a thing to one that is no deeper, and that leads back to it."""

    depth: int  # of the thing that it leads from
    requirement_id: int
    origin: Reference
    target: Reference


class Position(NamedTuple):
    """What the pages before have returned: a number of things, their digest, and cycles.

    All cycles among the things down to `told_depth` were returned. If the last page could not hold all others that it
    had found, it returned those up to the place (`cycle_depth`, `cycle_id`), and the next page has no further things.
    """

    things: int = 0
    digest: str = ""
    told_depth: int = -1
    cycle_depth: int = -1
    cycle_id: int = 0


class ClosurePage(NamedTuple):
    """A part of a closure. `next` is where the next page starts; None if there is nothing more."""

    things: Sequence[Reached]
    cycles: Sequence[Closing]
    next: Position | None


class ClosureChangedError(Exception):
    """What the pages before have returned is not true any more."""


class ClosureWalk:
    """A walk, breadth first, that keeps what one page and the pages before it hold.

    For each level, `add` takes every requirement that leads from one of the things `frontier`, and `finish_level`
    moves on to the things that were found. A level ends the walk if it has more things than the page can hold.
    """

    def __init__(self, origin: Reference, position: Position, page_size: int) -> None:
        self._position = position
        self._limit = position.things + (page_size if position.cycle_depth < 0 else 0)
        self._numbers: dict[Thing, int] = {origin: 0}  # of the things kept; those of one level are adjacent
        self._kept = [Reached(origin, 0, 0)]
        self._targets: list[list[int]] = [[]]  # for each thing kept, the things kept that it leads to
        # Requirements to a thing that is no deeper. There can be a million: these are three numbers each.
        self._closing = array("q")  # number of the thing, id of the requirement, number of the other thing, and so on
        self._found: dict[Thing, int] = {}  # things of the next level, with the least requirement
        self._sources: dict[Thing, list[int]] = {}  # and the things that lead to them
        self._first = 0
        self._more = False
        self.depth = 0

    @property
    def frontier(self) -> Sequence[Reference]:
        """The things whose requirements are to be added; empty if the walk has ended."""
        return [] if self._more else [reached.thing for reached in self._kept[self._first :]]

    @property
    def held(self) -> int:
        """The number of things that this page and the pages before it hold."""
        return min(len(self._kept) - 1 + len(self._found), self._limit)

    def add(self, place: int, requirement_id: int, target: Thing) -> None:
        """Add a requirement that leads from the thing at `place` of the frontier to `target`."""
        source = self._first + place
        number = self._numbers.get(target)
        if number is not None:
            self._targets[source].append(number)
            self._closing.extend((source, requirement_id, number))
            return
        least = self._found.get(target)
        if least is None:
            self._found[target] = requirement_id
            self._sources[target] = [source]
            return
        self._found[target] = min(least, requirement_id)
        if self._sources[target][-1] != source:
            self._sources[target].append(source)

    def trim(self) -> None:
        """Forget found things that the page cannot hold. Call it from time to time while a level is added."""
        room = self._room + 1
        if len(self._found) > 2 * room + _SPARE_THINGS:
            kept = sorted(self._found)[:room]
            self._found = {thing: self._found[thing] for thing in kept}
            self._sources = {thing: self._sources[thing] for thing in kept}

    def finish_level(self) -> None:
        """Move on to the things that were found."""
        self.depth += 1
        self._first = len(self._kept)
        room = self._room
        self._more = len(self._found) > room
        for thing in sorted(self._found)[:room]:
            number = self._numbers[thing] = len(self._kept)
            self._kept.append(Reached(Reference(*thing), self.depth, self._found[thing]))
            self._targets.append([])
            for source in self._sources[thing]:
                self._targets[source].append(number)
        self._found, self._sources = {}, {}

    def page(self) -> ClosurePage:
        """The page. Raises `ClosureChangedError`."""
        told = self._kept[1 : self._position.things + 1]
        if self._position.things and (len(told), _digest(told)) != (self._position.things, self._position.digest):
            raise ClosureChangedError
        cycles = nsmallest(MAX_CYCLES + 1, self._cycles())
        cut = len(cycles) > MAX_CYCLES
        kept = self._kept[1:]
        position: Position | None = None
        if cut:
            last = cycles[MAX_CYCLES - 1]
            told_depth = self._position.told_depth
            position = Position(len(kept), _digest(kept), told_depth, last.depth, last.requirement_id)
        elif self._more:
            position = Position(len(kept), _digest(kept), self.depth - 1)
        return ClosurePage(kept[self._position.things :], cycles[:MAX_CYCLES], position)

    @property
    def _room(self) -> int:
        """The number of further things that the page can hold."""
        return self._limit - (len(self._kept) - 1)

    def _cycles(self) -> Iterator[Closing]:
        """The requirements that close a cycle, without those that the pages before have returned."""
        if not self._closing:
            return
        component = components(self._targets)
        # A cycle may go through things further down than what closes it: then the pages before did not see it.
        earlier = bisect_right(self._kept, self._position.told_depth, key=attrgetter("depth"))
        told = components([[other for other in targets if other < earlier] for targets in self._targets[:earlier]])
        for source, requirement_id, target in zip(*[iter(self._closing)] * 3, strict=True):
            origin = self._kept[source]
            place = (origin.depth, requirement_id)
            if component[source] != component[target] or place <= self._position[3:]:
                continue
            if max(source, target) >= earlier or told[source] != told[target]:
                yield Closing(*place, origin.thing, self._kept[target].thing)


def _digest(things: Sequence[Reached]) -> str:
    """What the depths and the things are, in a few bytes. It does not depend on the requirements between them."""
    digest = sha256()
    for (kind, number), depth, _ in things:
        digest.update(f"{depth} {number} {len(kind)} {kind}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]
