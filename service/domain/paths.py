"""A shortest chain of requirements from one thing to another, found by walking from both ends."""

from collections.abc import Iterable, Sequence

from service.domain.graph import Thing
from service.domain.references import Reference

Link = tuple[int, Thing, Thing]  # a requirement, the thing that it leads from, and the thing that it leads to


class PathSide:
    """A walk from one end of the chain, breadth first. Every thing is found at its least distance from the end."""

    def __init__(self, end: Reference) -> None:
        self._found: set[Thing] = {end}
        self._added: list[tuple[int, Thing, Thing]] = []  # of the level: id, nearer thing, farther thing
        self.frontier: Sequence[Thing] = [end]
        self.levels: list[list[tuple[int, Thing, Thing]]] = []

    def add(self, place: int, requirement_id: int, target: Thing) -> None:
        """Add a requirement between the thing at `place` of the frontier and `target`."""
        if target not in self._found:
            self._added.append((requirement_id, self.frontier[place], target))

    def finish_level(self) -> None:
        """Move on to the things that were found."""
        self.levels.append(self._added)
        self.frontier = sorted({target for _, _, target in self._added})
        self._found.update(self.frontier)
        self._added = []


def first_shortest_chain(start: PathSide, goal: PathSide) -> list[int] | None:
    """The ids of the requirements of a shortest chain, once the sides have met; None before.

    Of several shortest chains, it is the one whose first requirement has the least id, then the second, and so on.
    """
    met = set(start.frontier) & set(goal.frontier)
    if not met:
        return None
    links: list[list[Link]] = []
    useful = met
    for level in reversed(start.levels):
        links.insert(0, [link for link in level if link[2] in useful])
        useful = {link[1] for link in links[0]}
    links += [[(number, far, near) for number, near, far in level] for level in reversed(goal.levels)]
    return list(_least(links, useful))


def _least(links: Sequence[Sequence[Link]], things: Iterable[Thing]) -> Iterable[int]:
    """The chain through all levels of `links`, from one of the things on, that takes the least id at each level."""
    at = set(things)
    for level in links:
        number, _, target = min(link for link in level if link[1] in at)
        at = {target}
        yield number
