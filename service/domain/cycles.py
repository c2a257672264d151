"""Cycles in a directed graph whose nodes are numbered from 0."""

from collections.abc import Iterator, Sequence

Graph = Sequence[Sequence[int]]  # for each node, the nodes that it leads to; a node may be listed several times


def components(graph: Graph) -> list[int]:
    """For each node, the number of its strongly connected component: nodes of one component reach each other.

    This is Tarjan's algorithm without recursion, so that a long chain cannot exhaust the stack.
    """
    search = _Search(graph)
    for node in range(len(graph)):
        if search.order[node] == _NEW:
            search.visit(node)
    return search.component


_NEW = -1


class _Search:
    """A depth-first search. `order` is the order of discovery, `lowest` the earliest open node that a node reaches."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.order = [_NEW] * len(graph)
        self.component = [_NEW] * len(graph)
        self._lowest = [0] * len(graph)
        self._open: list[int] = []
        self._discovered = 0
        self._components = 0

    def visit(self, root: int) -> None:
        """Search everything that `root` reaches."""
        stack = [(root, self._enter(root))]
        while stack:
            node, targets = stack[-1]
            target = self._next_new(node, targets)
            if target is not None:
                stack.append((target, self._enter(target)))
                continue
            stack.pop()
            if stack:
                parent = stack[-1][0]
                self._lowest[parent] = min(self._lowest[parent], self._lowest[node])
            self._leave(node)

    def _enter(self, node: int) -> Iterator[int]:
        self.order[node] = self._lowest[node] = self._discovered
        self._discovered += 1
        self._open.append(node)
        return iter(self._graph[node])

    def _next_new(self, node: int, targets: Iterator[int]) -> int | None:
        """The next target that was not discovered yet."""
        for target in targets:
            if self.order[target] == _NEW:
                return target
            if self.component[target] == _NEW and self.order[target] < self._lowest[node]:
                self._lowest[node] = self.order[target]
        return None

    def _leave(self, node: int) -> None:
        """Close the component whose first node is `node`, if there is one."""
        if self._lowest[node] != self.order[node]:
            return
        while self.component[node] == _NEW:
            self.component[self._open.pop()] = self._components
        self._components += 1
