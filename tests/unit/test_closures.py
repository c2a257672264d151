"""The walk of a closure and of a path without a database, compared with networkx on generated graphs."""

from collections.abc import Callable, Sequence

import networkx as nx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.domain import closures
from service.domain.closures import Closing, ClosureChangedError, ClosurePage, ClosureWalk, Position, Reached
from service.domain.cycles import components
from service.domain.graph import Thing
from service.domain.paths import PathSide, first_shortest_chain
from service.domain.references import Reference
from tests.graphs import (
    EVERYTHING,
    Edge,
    expected_cycles,
    expected_path,
    expected_things,
    graph_of,
    leaves_no_cycle,
    walked_graph,
)

THINGS = [Reference(kind, number) for kind in ("B", "A") for number in (1, 2, 3, 10)]
ORIGIN = THINGS[0]

Graphs = st.lists(st.tuples(st.sampled_from(THINGS), st.sampled_from(THINGS)), max_size=24).flatmap(
    lambda pairs: st.permutations(range(1, len(pairs) + 1)).map(
        lambda ids: [Edge(number, *pair) for number, pair in zip(ids, pairs, strict=True)]
    )
)
Depths = st.integers(1, 5) | st.just(64)


def add_all(edges: list[Edge], frontier: Sequence[Thing], add: Callable[[int, int, Thing], None]) -> None:
    """Add every requirement of the things in a level."""
    for place, thing in enumerate(frontier):
        for edge in edges:
            if edge.requireable == thing:
                add(place, edge.id, edge.required)


def page_of(edges: list[Edge], max_depth: int = 64, position: Position | None = None, size: int = 100) -> ClosurePage:
    """A page of the closure of the origin."""
    walk = ClosureWalk(ORIGIN, position or Position(), size)
    while walk.frontier and walk.depth < max_depth:
        add_all(edges, walk.frontier, walk.add)
        walk.trim()
        walk.finish_level()
    return walk.page()


def all_pages(edges: list[Edge], max_depth: int, size: int) -> tuple[list[Reached], list[Closing]]:
    """The things and cycles of all pages of this size."""
    things: list[Reached] = []
    cycles: list[Closing] = []
    position: Position | None = Position()
    while position is not None:
        page = page_of(edges, max_depth, position, size)
        assert len(page.things) <= size
        assert len(page.cycles) <= closures.MAX_CYCLES
        things += page.things
        cycles += page.cycles
        position = page.next
    return things, cycles


@given(Graphs, Depths)
@example([Edge(1, ORIGIN, THINGS[1]), Edge(2, THINGS[1], ORIGIN)], 64)
def test_things_and_cycles_are_those_of_networkx(edges: list[Edge], max_depth: int) -> None:
    """Each thing has its least depth and least requirement; cycles are those of the definition, and cover every one."""
    graph = graph_of(edges, "requires", EVERYTHING)
    page = page_of(edges, max_depth)
    assert page.things == expected_things(graph, ORIGIN, max_depth)
    assert page.cycles == expected_cycles(graph, ORIGIN, max_depth)
    assert page.next is None
    assert leaves_no_cycle(walked_graph(graph, ORIGIN, max_depth), list(page.cycles))


@given(Graphs, Depths, st.integers(1, 9), st.integers(1, 4))
def test_pages_hold_everything_once(edges: list[Edge], max_depth: int, size: int, max_cycles: int) -> None:
    """Pages of any size hold the same things in the same order, and each requirement that closes a cycle once."""
    graph = graph_of(edges, "requires", EVERYTHING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(closures, "MAX_CYCLES", max_cycles)
        patch.setattr(closures, "_SPARE_THINGS", 0)
        things, cycles = all_pages(edges, max_depth, size)
    assert things == expected_things(graph, ORIGIN, max_depth)
    assert sorted(cycles) == expected_cycles(graph, ORIGIN, max_depth)


def test_a_page_after_a_change_is_refused() -> None:
    """A page goes on only while the things that were returned are the same, at the same depths."""
    first, second, third, fourth = THINGS[1:5]
    edges = [Edge(1, ORIGIN, first), Edge(2, first, second), Edge(3, second, third), Edge(4, third, fourth)]
    position = page_of(edges, size=2).next
    assert position is not None
    assert [reached.thing for reached in page_of(edges, position=position, size=2).things] == [third, fourth]
    later = [*edges, Edge(5, fourth, THINGS[6]), Edge(6, ORIGIN, first)]
    assert len(page_of(later, position=position, size=9).things) == 3
    for changed in (edges[:1], [*edges, Edge(5, ORIGIN, second)], [*edges, Edge(5, ORIGIN, THINGS[6])]):
        with pytest.raises(ClosureChangedError):
            page_of(changed, position=position, size=2)


@given(Graphs, Depths, st.sampled_from(THINGS))
def test_paths_are_those_of_networkx(edges: list[Edge], max_depth: int, goal: Reference) -> None:
    """A chain is a shortest one, and the least of these by the ids of its requirements, whichever side is walked."""
    expected = expected_path(graph_of(edges, "requires", EVERYTHING), ORIGIN, goal, max_depth)
    backwards = [Edge(edge.id, edge.required, edge.requireable) for edge in edges]
    for forward_first in range(3):
        start, to = PathSide(ORIGIN), PathSide(goal)
        chain = first_shortest_chain(start, to)
        for depth in range(max_depth):
            if chain is not None or not start.frontier or not to.frontier:
                break
            side, links = (start, edges) if depth < forward_first else (to, backwards)
            add_all(links, side.frontier, side.add)
            side.finish_level()
            chain = first_shortest_chain(start, to)
        assert chain == expected


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_components_are_those_of_networkx(pairs: list[tuple[int, int]]) -> None:
    """Two nodes have the same number exactly if they reach each other."""
    graph = nx.DiGraph(pairs)
    graph.add_nodes_from(range(10))
    found: dict[int, set[int]] = {}
    targets = [[target for source, target in pairs if source == node] for node in range(10)]
    for node, number in enumerate(components(targets)):
        found.setdefault(number, set()).add(node)
    assert sorted(map(sorted, found.values())) == sorted(map(sorted, nx.strongly_connected_components(graph)))


def test_a_long_chain_does_not_exhaust_the_stack() -> None:
    """A cycle through 100,000 nodes is one component."""
    assert set(components([[(node + 1) % 100_000] for node in range(100_000)])) == {0}
