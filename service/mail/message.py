"""The e-mail on a requirement, as Mandrill takes it. Nothing that a caller sent gets out of its place in it."""

from email.utils import format_datetime
from pathlib import Path
from typing import Any

import jinja2

from service.domain.requirements import Requirement

MOST_OF_FOUR_DIGITS = 0xFFFF


def single_line(text: str) -> str:
    r"""`text` with every character that is not seen, a line's end above all, written as \u000a is."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= MOST_OF_FOUR_DIGITS else f"\\U{number:08x}"


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["single_line"] = single_line
    return environment


_TEMPLATES = _templates()


def compose(email_id: int, requirement: Requirement, sender: str) -> dict[str, Any]:
    """The message, but for whom it goes to: the same at each attempt."""
    told = {"requirement": requirement.view()}
    subject, text, html = (
        _TEMPLATES.get_template(name).render(told) for name in ("subject.txt", "text.txt", "html.html")
    )
    return {
        "from_email": sender,
        "subject": single_line(subject.strip()),
        "text": text,
        "html": html,
        "headers": {"Date": format_datetime(requirement.created_at)},
        "metadata": {"email_id": email_id, "requirement_id": requirement.id},
        # Each is told alone, so that a retry to the rest looks no different.
        "preserve_recipients": False,
    }
