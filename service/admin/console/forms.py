"""Validation of what operators enter in forms and query strings."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from service.domain.references import MAX_ID, Reference

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class Form:
    """The fields by name. A missing field is an empty string."""

    texts: Mapping[str, str]

    def get(self, name: str) -> str:
        """The text as entered."""
        return self.texts.get(name, "")

    def line(self, name: str, label: str) -> str:
        """The text without surrounding space. Raises HTTP 400 unless it is one line of 1 to 300 characters."""
        text = self.get(name).strip()
        if not text or len(text) > MAX_TEXT or not text.isprintable():
            raise web.HTTPBadRequest(text=f"{label} must be one line of 1 to {MAX_TEXT} characters.")
        return text

    def optional(self, name: str) -> str | None:
        """The text without surrounding space; None if it is empty."""
        return self.get(name).strip() or None

    def number(self, name: str) -> int | None:
        """The id that was entered; None if it is empty. Raises HTTP 400 for an invalid id."""
        text = self.get(name).strip()
        return identifier(text) if text else None

    def reference(self, name: str) -> Reference | None:
        """The reference in the fields `<name>_type` and `<name>_id`; None without an id. Raises HTTP 400."""
        number = self.number(f"{name}_id")
        return None if number is None else Reference(self.line(f"{name}_type", "The type"), number)


def identifier(text: str) -> int:
    """Parse an id. Raises HTTP 400 for an invalid one."""
    if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_ID)) and 1 <= int(text) <= MAX_ID:
        return int(text)
    raise web.HTTPBadRequest(text=f"An id must be a whole number from 1 to {MAX_ID}.")


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
