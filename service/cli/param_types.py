"""Types of command line arguments: the rules of `domain/operator_input.py`."""

from collections.abc import Callable
from typing import Generic, TypeVar

import click

from service.domain import operator_input

T = TypeVar("T")


class _Checked(click.ParamType[T], Generic[T]):
    """A text that is checked by a rule."""

    def __init__(self, name: str, rule: Callable[[str], T]) -> None:
        self.name = name
        self._rule = rule

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> T:
        """Return what the rule makes of the text."""
        try:
            return self._rule(value)
        except operator_input.InvalidInput as error:
            self.fail(f"{value!r} {error}", param, ctx)


# For a text to look up. Others write the tables, too, so it can be in any form.
TEXT = _Checked("text", operator_input.known_text)
SLUG = _Checked("slug", operator_input.slug)
LINE = _Checked("text", operator_input.line)
EMAIL = _Checked("address", operator_input.email_address)
REGISTRY_NAME = _Checked("service[/version[/action]]", operator_input.registry_name)
REFERENCE = _Checked("type[/id]", operator_input.reference_filter)
