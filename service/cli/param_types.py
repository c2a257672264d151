"""What a person may type for the name of something."""

import click


class _Word(click.ParamType[str]):
    """Text that names something: not empty, and one printable line."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text without the white space around it."""
        if not value.strip() or not value.isprintable():
            self.fail("must be a name, on one line", param, ctx)
        return value.strip()


WORD = _Word()
