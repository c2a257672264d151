"""Lists of requirements: their filters, their order, and the positions at which their pages start."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from service.domain.callers import Viewer
from service.domain.params import Params
from service.domain.statuses import ParamError
from service.domain.times import parse_time

MAX_PAGE_SIZE = 200
PAGE_SIZE = 50
MAX_PAGE_NUMBER = 100
# A page reads at most this many rows for each row that it may return.
ROWS_READ_PER_ROW = 100
# A count is exact up to this number.
MAX_COUNT = 10_000
SORTS = ("id", "created_at", "updated_at")
ORDERS = ("asc", "desc")
SEARCHABLE = ("key", "value")


class Filters(NamedTuple):
    """Which requirements a list has. None means: any.

    `without_key` asks for those without a key. `created_from` and `created_until` are RFC 3339; the second is excluded.
    `term` is looked for in the key and in the value, as `in_key` and `in_value` say.
    """

    required_type: str | None = None
    required_id: int | None = None
    requireable_type: str | None = None
    requireable_id: int | None = None
    key: str | None = None
    without_key: bool = False
    application_id: int | None = None
    user_id: int | None = None
    created_from: str | None = None
    created_until: str | None = None
    term: str | None = None
    in_key: bool = False
    in_value: bool = False


class Sort(NamedTuple):
    """The order of a list: by one of `SORTS`, then by id."""

    by: str = "id"
    descending: bool = True


class RequirementList(NamedTuple):
    """A list: the requirements that pass the filters and that the viewer may see, in an order."""

    filters: Filters
    sort: Sort
    viewer: Viewer


class Start(NamedTuple):
    """Where a page starts: after the row with this `id` and, in a list by a time, this `time`; `skip` rows further on.

    Without `id`, at the beginning of the list. `time` is PostgreSQL's text, so that every value of a column has one.
    """

    time: str | None = None
    id: int | None = None
    skip: int = 0


def filters_of(params: Params) -> Filters:
    """The filters in the params of `index`."""
    required, requireable, caller, created, search = (
        params[name] or {} for name in ("required", "requireable", "caller", "created", "search")
    )
    attributes = search.get("attributes") or SEARCHABLE
    return Filters(
        required.get("type"),
        required.get("id"),
        requireable.get("type"),
        requireable.get("id"),
        params.get("key"),
        "key" in params and params["key"] is None,
        caller.get("application_id"),
        caller.get("user_id"),
        _time(created, "from"),
        _time(created, "until"),
        search.get("term"),
        bool(search) and "key" in attributes,
        bool(search) and "value" in attributes,
    )


def sort_of(params: Params) -> Sort:
    """The order in the params of `index`."""
    sort = params["sort"] or {}
    return Sort(sort.get("by") or "id", sort.get("order") != "asc")


def search_errors(params: Params) -> tuple[ParamError, ...]:
    """The error of a search, in params as they were sent, that nothing narrows down."""
    alone = params.get("required") is None and params.get("requireable") is None and "key" not in params
    if isinstance(params.get("search"), dict) and alone:
        return (ParamError("search", "needs required, requireable or key beside it"),)
    return ()


def _time(created: Mapping[str, Any], name: str) -> str | None:
    moment = parse_time(created[name]) if created.get(name) is not None else None
    return None if moment is None else moment.isoformat()
