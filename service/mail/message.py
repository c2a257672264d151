"""The e-mail about a requirement, as a Mandrill message. Values that a caller sent are escaped."""

from email.utils import format_datetime
from pathlib import Path
from typing import Any

import jinja2

from service.domain.requirements import Requirement

MAX_FOUR_DIGITS = 0xFFFF


def single_line(text: str) -> str:
    r"""Return `text` with each non-printable character, such as a line feed, replaced by its escape, such as \u000a."""
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= MAX_FOUR_DIGITS else f"\\U{number:08x}"


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
    """Return the message without its recipients. It is the same at each attempt."""
    context = {"requirement": requirement.view()}
    subject, text, html = (
        _TEMPLATES.get_template(name).render(context) for name in ("subject.txt", "text.txt", "html.html")
    )
    return {
        "from_email": sender,
        "subject": single_line(subject.strip()),
        "text": text,
        "html": html,
        "headers": {"Date": format_datetime(requirement.created_at)},
        "metadata": {"email_id": email_id, "requirement_id": requirement.id},
        # Each recipient sees only their own address, so a retry to the remaining recipients looks the same.
        "preserve_recipients": False,
    }
