"""Graphs of requirements for tests, and what a plain graph library says about them."""

import itertools
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import asyncpg
import networkx as nx

from service.domain.closures import Closing, Reached
from service.domain.graph import Direction, Scope
from service.domain.references import Reference

EVERYTHING = Scope(any_key=True, key=None, max_depth=64)


class Edge(NamedTuple):
    """A requirement."""

    id: int
    requireable: Reference
    required: Reference
    key: str | None = None
    user_id: int | None = None


def random_edges(seed: int) -> list[Edge]:
    """Requirements between a few things: with cycles, loops, parallel requirements, keys and users."""
    chance = random.Random(seed)  # noqa: S311 - the same graph in each run
    things = [Reference(kind, number) for kind in ("Service", "User") for number in range(1, chance.randint(2, 7))]
    count = chance.randint(0, 3 * len(things))
    ids = chance.sample(range(1, 10 * count + 2), count)
    return [
        Edge(
            number,
            chance.choice(things),
            chance.choice(things),
            chance.choice([None, "a", "b"]),
            chance.choice([None, 1, 2]),
        )
        for number in ids
    ]


async def insert_edges(connection: asyncpg.Connection, edges: list[Edge]) -> None:
    """Store requirements with their ids."""
    columns = ["id", "requireable_type", "requireable_id", "required_type", "required_id", "key", "user_id"]
    rows = [(edge.id, *edge.requireable, *edge.required, edge.key, edge.user_id) for edge in edges]
    await connection.copy_records_to_table("requirements", records=rows, columns=columns)


def graph_of(edges: list[Edge], direction: Direction, scope: Scope, user_id: int | None = None) -> Any:
    """The graph of the requirements that count, each with its id as the key of its edge."""
    graph = nx.MultiDiGraph()
    for edge in edges:
        if (scope.any_key or edge.key == scope.key) and user_id in (None, edge.user_id):
            ends = (edge.requireable, edge.required)
            graph.add_edge(*(ends if direction == "requires" else reversed(ends)), key=edge.id)
    return graph


def expected_things(graph: Any, origin: Reference, max_depth: int) -> list[Reached]:
    """The things of a closure, by the definition of each column."""
    depths = _depths(graph, origin, max_depth)
    things = [thing for thing in depths if thing != origin]
    return [
        Reached(
            thing,
            depths[thing],
            min(
                number
                for source, _, number in graph.in_edges(thing, keys=True)
                if depths.get(source) == depths[thing] - 1
            ),
        )
        for thing in sorted(things, key=lambda thing: (depths[thing], thing))
    ]


def expected_cycles(graph: Any, origin: Reference, max_depth: int) -> list[Closing]:
    """The requirements of a closure that close a cycle, by their definition."""
    depths = _depths(graph, origin, max_depth)
    walked = walked_graph(graph, origin, max_depth)
    return sorted(
        Closing(depths[source], number, source, target)
        for source, target, number in walked.edges(keys=True)
        if depths[target] <= depths[source] and nx.has_path(walked, target, source)
    )


def walked_graph(graph: Any, origin: Reference, max_depth: int) -> Any:
    """The requirements that a walk reads: those of all things that are less deep than `max_depth`."""
    depths = _depths(graph, origin, max_depth)
    walked = nx.MultiDiGraph()
    walked.add_nodes_from(depths)
    walked.add_edges_from(
        (source, target, number)
        for source, target, number in graph.edges(depths, keys=True)
        if depths[source] < max_depth
    )
    return walked


def leaves_no_cycle(walked: Any, cycles: list[Closing]) -> bool:
    """Whether every cycle of `walked` has one of these requirements."""
    rest = walked.copy()
    rest.remove_edges_from([(closing.origin, closing.target, closing.requirement_id) for closing in cycles])
    return bool(nx.is_directed_acyclic_graph(rest))


def expected_path(graph: Any, start: Reference, goal: Reference, max_depth: int) -> list[int] | None:
    """The ids of the shortest chain that is the least of all shortest chains; None if there is none."""
    if start == goal:
        return []
    if start not in graph or goal not in graph or not nx.has_path(graph, start, goal):
        return None
    things = [chain for chain in nx.all_shortest_paths(graph, start, goal) if len(chain) <= max_depth + 1]
    return min((list(_least_ids(graph, chain)) for chain in things), default=None)


def _least_ids(graph: Any, chain: list[Reference]) -> Iterator[int]:
    for source, target in itertools.pairwise(chain):
        yield min(graph[source][target])


def _depths(graph: Any, origin: Reference, max_depth: int) -> dict[Reference, int]:
    if origin not in graph:
        return {origin: 0}
    return dict(nx.single_source_shortest_path_length(graph, origin, cutoff=max_depth))
