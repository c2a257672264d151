"""Types of command line arguments."""

import click


class _Word(click.ParamType[str]):
    """A name: printable text on one line, not empty."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text without surrounding white space."""
        if not value.strip() or not value.isprintable():
            self.fail("must be a name, on one line", param, ctx)
        return value.strip()


WORD = _Word()
