"""Questions about the graph of requirements: which requirements they are about, and what they may read."""

from typing import Literal, NamedTuple

from service.domain.params import Params

MAX_DEPTH = 64
# A question reads at most so many rows for each thing or requirement that its answer holds, and so many more.
ROWS_READ_PER_RESULT = 100
MORE_ROWS_READ = 10_000

Direction = Literal["requires", "required_by"]
Thing = tuple[str, int]  # a Reference, or a plain tuple that equals it: these are cheaper to make by the thousand


class Scope(NamedTuple):
    """The requirements that a question is about: those with `key`, or all of them if `any_key`; and how far it goes."""

    any_key: bool
    key: str | None
    max_depth: int


def scope_of(params: Params) -> Scope:
    """The scope in the params of `closure` or `path`."""
    return Scope("key" not in params, params.get("key"), params["max_depth"] or MAX_DEPTH)
