"""The params of lists: filters, page and sort."""

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from service.domain.hash_params import HashParam, hash_schema
from service.domain.lists import MAX_PAGE_NUMBER, MAX_PAGE_SIZE, ORDERS, PAGE_SIZE, SEARCHABLE, SORTS
from service.domain.params import (
    Param,
    Params,
    ParamsSchema,
    choice_param,
    id_param,
    integer_param,
    text_param,
    time_param,
)

MAX_TERM_LENGTH = 255
MAX_CURSOR_LENGTH = 512


def reference_filter(association_types: Collection[str]) -> type[ParamsSchema]:
    """The schema of a filter by a reference, or by its type alone."""
    return _reference_filter(tuple(association_types))


@cache
def _reference_filter(association_types: tuple[str, ...]) -> type[ParamsSchema]:
    """All actions share the schema, because the OpenAPI document has one component for it."""
    kind = choice_param(association_types, required=True)
    return hash_schema("ReferenceFilter", type=kind, id=id_param(required=False))


def caller_filter() -> HashParam:
    """The filter by the caller who created a requirement."""

    def rule(caller: Params) -> str | None:
        given = [caller["application_id"], caller["user_id"]]
        return None if given.count(None) == 1 else "must have either application_id or user_id"

    schema = hash_schema("CallerFilter", application_id=id_param(required=False), user_id=id_param(required=False))
    return HashParam(schema, "Requirements that this application, or this user, created.", rule=rule)


def created_filter() -> HashParam:
    """The filter by a range of time."""
    times = {"from": time_param("The earliest time"), "until": time_param("The first time after the range")}
    return HashParam(hash_schema("CreatedFilter", **times), "Requirements created in this range of time.")


def search_param() -> HashParam:
    """The search for a text."""
    schema = hash_schema(
        "Search",
        term=text_param(MAX_TERM_LENGTH, "The text to look for. It has no wildcards.", required=True),
        attributes=choices_param(SEARCHABLE, "Where to look for it. Null or absent: in both."),
    )
    rule = "Requirements that contain a text, letter case apart. Needs `required`, `requireable` or `key` beside it."
    return HashParam(schema, rule)


def page_param() -> HashParam:
    """Which page to return."""

    def rule(page: Params) -> str | None:
        return None if None in (page["after"], page["number"]) else "must not have both after and number"

    schema = hash_schema(
        "Page",
        size=integer_param(MAX_PAGE_SIZE, f"The number of requirements on a page. Null or absent: {PAGE_SIZE}."),
        after=text_param(MAX_CURSOR_LENGTH, "The `next` of the page before, with the same filters and sort."),
        number=integer_param(MAX_PAGE_NUMBER, "The number of the page, from 1. Not together with `after`."),
    )
    return HashParam(schema, "Which page to return. Null or absent: the first one.", rule=rule)


def sort_param() -> HashParam:
    """The order of a list."""
    by = choice_param(SORTS, "Null or absent: id.")
    order = choice_param(ORDERS, "Null or absent: desc.")
    return HashParam(hash_schema("Sort", by=by, order=order), "The order of the requirements.")


def flag_param(description: str) -> Param:
    """An optional boolean."""

    def rule(value: Any) -> str | None:
        return None if type(value) is bool else "must be true or false"

    return Param(rule, json_schema={"type": "boolean", "description": description})


def choices_param(choices: Iterable[str], description: str) -> Param:
    """An optional list of at least one of the given strings."""
    names = tuple(choices)
    problem = f"must be a list of {' and '.join(names)}"

    def rule(value: Any) -> str | None:
        known = type(value) is list and value and all(type(item) is str and item in names for item in value)
        return None if known else problem

    items = {"type": "string", "enum": list(names)}
    return Param(rule, json_schema={"type": "array", "items": items, "minItems": 1, "description": description})
