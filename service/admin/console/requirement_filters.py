"""The filters of the Requirements tab, as fields of its form: those of the action `index`."""

import re
from typing import NamedTuple

from aiohttp import web

from service.admin.console.forms import Form
from service.domain.lists import ORDERS, SEARCHABLE, SORTS, Filters, Sort, Start
from service.domain.times import parse_time

# The choice of the form for a reference of any type. A type may be any text, even an empty one.
ANY_TYPE = "*"
# The value of a field of the type datetime-local, which has no zone. It is taken for UTC.
_MINUTE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", re.ASCII)

Fields = dict[str, str]

LATEST = Sort()


class Listing(NamedTuple):
    """Which requirements a page shows, in which order, and where it starts."""

    filters: Filters
    sort: Sort
    start: Start


def read_listing(query: Form) -> Listing:
    """The list that a query string asks for. Raises HTTP 400 for an invalid field."""
    key = query.get("key")
    required_type, required_id = _reference(query, "required")
    requireable_type, requireable_id = _reference(query, "requireable")
    filters = Filters(
        required_type,
        required_id,
        requireable_type,
        requireable_id,
        key if key or query.get("empty") == "1" else None,
        query.get("without_key") == "1" and not key,
        query.number("application"),
        query.number("user"),
        _time(query, "from"),
        _time(query, "until"),
    )
    return Listing(_with_search(filters, query), _sort(query), _start(query))


def listing_fields(filters: Filters, sort: Sort = LATEST) -> Fields:
    """The fields of a query string that asks for this list."""
    one_place = filters.term is not None and filters.in_key != filters.in_value
    values: dict[str, object] = {
        "requireable_type": filters.requireable_type,
        "requireable_id": filters.requireable_id,
        "required_type": filters.required_type,
        "required_id": filters.required_id,
        **key_fields(filters.key),
        "without_key": "1" if filters.without_key else None,
        "application": filters.application_id,
        "user": filters.user_id,
        "from": filters.created_from and filters.created_from.removesuffix("+00:00"),
        "until": filters.created_until and filters.created_until.removesuffix("+00:00"),
        "term": filters.term,
        "in": ("key" if filters.in_key else "value") if one_place else None,
        "sort": None if sort == LATEST else sort_choice(sort),
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def key_fields(key: str | None) -> Fields:
    """The fields that ask for a key. The empty key has its own, because a form always sends its empty fields."""
    if key is None:
        return {}
    return {"key": key} if key else {"empty": "1"}


def start_fields(start: Start) -> Fields:
    """The fields of a query string that asks for the page that starts there."""
    fields = {"after": str(start.id)}
    return fields if start.time is None else fields | {"after_time": start.time}


def sort_choice(sort: Sort) -> str:
    """The value of the field "sort" for this order."""
    return f"{sort.by} {'desc' if sort.descending else 'asc'}"


def _reference(query: Form, name: str) -> tuple[str | None, int | None]:
    number = query.number(f"{name}_id")
    kind = query.texts.get(f"{name}_type")
    if kind is None or kind == ANY_TYPE:
        if number is not None:
            raise web.HTTPBadRequest(text="An id needs a type.")
        return None, None
    return kind, number


def _time(query: Form, name: str) -> str | None:
    text = query.get(name).strip()
    if not text:
        return None
    moment = parse_time(f"{text}:00Z" if _MINUTE.fullmatch(text) else f"{text}Z")
    if moment is None:
        raise web.HTTPBadRequest(text="A time must have the form 2026-11-23T10:00, or 2026-11-23T10:00:00, in UTC.")
    return moment.isoformat()


def _with_search(filters: Filters, query: Form) -> Filters:
    term, place = query.get("term"), query.get("in")
    if not term:
        return filters
    ends = (filters.required_type, filters.requireable_type, filters.key)
    if not filters.without_key and ends.count(None) == len(ends):
        raise web.HTTPBadRequest(text="A search for a text needs a requireable, a required or a key beside it.")
    if place and place not in SEARCHABLE:
        raise web.HTTPBadRequest(text="A text can be searched in the key or in the value.")
    return filters._replace(term=term, in_key=place != "value", in_value=place != "key")


def _sort(query: Form) -> Sort:
    by, _, order = (query.get("sort") or "id desc").partition(" ")
    if by not in SORTS or order not in ORDERS:
        raise web.HTTPBadRequest(text="There is no such order.")
    return Sort(by, order == "desc")


def _start(query: Form) -> Start:
    number = query.number("after")
    return Start() if number is None else Start(query.get("after_time") or None, number)
