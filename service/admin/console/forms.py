"""What people enter: texts of a form or an address, none trusted."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from service.domain.references import MAX_ID, Reference

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class Form:
    """The texts by their names; one that was not entered is empty."""

    texts: Mapping[str, str]

    def get(self, name: str) -> str:
        """The text as it was entered."""
        return self.texts.get(name, "")

    def line(self, name: str, label: str) -> str:
        """The text without space around it. Raises HTTP 400 unless it is one line that people can read."""
        text = self.get(name).strip()
        if not text or len(text) > MAX_TEXT or not text.isprintable():
            raise web.HTTPBadRequest(text=f"{label} must be one line of 1 to {MAX_TEXT} characters.")
        return text

    def optional(self, name: str) -> str | None:
        """The text without space around it; None where nothing was entered."""
        return self.get(name).strip() or None

    def number(self, name: str) -> int | None:
        """The id that was entered; None where nothing was. Raises HTTP 400 for what is no id."""
        text = self.get(name).strip()
        return identifier(text) if text else None

    def reference(self, name: str) -> Reference | None:
        """The type and id entered as `name_type` and `name_id`; None where no id was. Raises HTTP 400."""
        number = self.number(f"{name}_id")
        return None if number is None else Reference(self.line(f"{name}_type", "The type"), number)


def identifier(text: str) -> int:
    """The id that `text` says. Raises HTTP 400."""
    if text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_ID)) and 1 <= int(text) <= MAX_ID:
        return int(text)
    raise web.HTTPBadRequest(text=f"An id is a whole number from 1 to {MAX_ID}.")


async def read_form(request: web.Request) -> Form:
    """The fields of the form that was sent. Raises HTTP 400 for anything else."""
    if request.content_type != FORM_TYPE:
        raise web.HTTPBadRequest(text="Only the forms of the console are taken.")
    try:
        fields = await request.post()
    except (UnicodeDecodeError, LookupError, ValueError):
        raise web.HTTPBadRequest(text="The form that was sent cannot be read.") from None
    return Form({name: value for name, value in fields.items() if isinstance(value, str)})


def read_query(request: web.Request) -> Form:
    """The fields in the address."""
    return Form(request.query)
