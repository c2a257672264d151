"""Validation of what operators enter in forms and query strings."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from service.domain import operator_input
from service.domain.operator_input import InvalidInput
from service.storage.pages import LAST_ID

T = TypeVar("T")

FORM_TYPE = "application/x-www-form-urlencoded"

# The range of bigint. The service gives ids from 1 on, but other software may write any id.
_LEAST_ID, _GREATEST_ID = -(2**63), 2**63 - 1
_ID = re.compile(r"-?[0-9]{1,19}")

# The part of a path that is an id.
ID_IN_PATH = r"{id:-?\d+}"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields by name. A missing field is an empty string."""

    texts: Mapping[str, str]

    def get(self, name: str) -> str:
        """The text as entered."""
        return self.texts.get(name, "")

    def checked(self, name: str, label: str, rule: Callable[[str], T]) -> T:
        """The text as a rule of `operator_input` reads it. Raises HTTP 400 with `label` before the rule's message."""
        try:
            return rule(self.get(name))
        except InvalidInput as error:
            raise web.HTTPBadRequest(text=f"{label} {error}.") from None

    def line(self, name: str, label: str) -> str:
        """The text without surrounding space. Raises HTTP 400 unless it is one line of 1 to 300 characters."""
        return self.checked(name, label, operator_input.line)

    def optional(self, name: str) -> str | None:
        """The text without surrounding space; None if it is empty."""
        return self.get(name).strip() or None

    def number(self, name: str) -> int | None:
        """The id that was entered; None if it is empty. Raises HTTP 400 for an invalid id."""
        text = self.get(name).strip()
        return identifier(text) if text else None

    def before(self) -> int:
        """The id that the rows of the page come before; `LAST_ID` for the first page. Raises HTTP 400."""
        number = self.number("before")
        return LAST_ID if number is None else number


def identifier(text: str) -> int:
    """Parse an id. Raises HTTP 400 for an invalid one."""
    if _ID.fullmatch(text) and _LEAST_ID <= int(text) <= _GREATEST_ID:
        return int(text)
    raise web.HTTPBadRequest(text="An id must be a whole number of at most 19 digits.")


async def read_form(request: web.Request) -> Form:
    """The fields of the submitted form. Raises HTTP 400 for any other body."""
    if request.content_type != FORM_TYPE:
        raise web.HTTPBadRequest(text="The body must be a form of the console.")
    try:
        fields = await request.post()
    except (UnicodeDecodeError, LookupError, ValueError):
        raise web.HTTPBadRequest(text="The form cannot be decoded.") from None
    return Form({name: value for name, value in fields.items() if isinstance(value, str)})


def read_query(request: web.Request) -> Form:
    """The fields of the query string."""
    return Form(request.query)
