"""The e-mail about a requirement: its contents, and the escaping of values that a caller sent."""

from datetime import UTC, datetime

import pytest

from service.domain.references import Reference
from service.domain.requirements import Requirement
from service.mail.message import compose, single_line

NOW = datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)


def requirement(key: str | None = "tier", value: str | None = "gold", type_: str = "Service") -> Requirement:
    """A requirement with this key and value."""
    return Requirement(41, Reference(type_, 1), Reference("Application", 7), key, value, NOW, NOW, None)


def test_the_message() -> None:
    """A message has a subject, two bodies, the creation time and our ids. It is the same at each attempt."""
    message = compose(5, requirement(), "us@example.com")
    html = message.pop("html")
    assert message == {
        "from_email": "us@example.com",
        "subject": "Requirement 41: Application 7 requires Service 1",
        "text": "Application 7 now requires Service 1.\n\nRequirement: 41\nKey: tier\nValue: gold\n"
        "Recorded at: 2026-11-23T10:00:00.123456Z\n",
        "headers": {"Date": "Mon, 23 Nov 2026 10:00:00 +0000"},
        "metadata": {"email_id": 5, "requirement_id": 41},
        "preserve_recipients": False,
    }
    for cell in ("<td>41</td>", "<td>tier</td>", "<td>gold</td>", "<td>2026-11-23T10:00:00.123456Z</td>"):
        assert cell in html
    assert compose(5, requirement(), "us@example.com") == message | {"html": html}


def test_absent_key_and_value() -> None:
    """A null key or value has no line; an empty one has."""
    bare = compose(5, requirement(None, None), "us@example.com")
    assert not any(word in bare[body] for word in ("Key", "Value") for body in ("text", "html"))
    assert "Key: \n" in compose(5, requirement("", None), "us@example.com")["text"]


@pytest.mark.parametrize("part", ["key", "value"])
def test_markup_of_a_caller_is_text(part: str) -> None:
    """Values that a caller sent are escaped in the HTML body."""
    sent = """<script>alert("1")</script> <a href='x'>&amp;{{ 7 * 7 }}"""
    html = compose(5, requirement(**{part: sent}), "us@example.com")["html"]
    assert "<script" not in html
    assert "<a" not in html
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &lt;a href=&#39;x&#39;&gt;&amp;amp;{{ 7 * 7 }}" in html


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("one\r\nBcc: all@example.com\n\nDear", "one\\u000d\\u000aBcc: all@example.com\\u000a\\u000aDear"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2028\u0085\x1b[31m\t\x00", "\\u2028\\u0085\\u001b[31m\\u0009\\u0000"),
        ("\U000e0041", "\\U000e0041"),
        ("é 漢字 😀 a b", "é 漢字 😀 a b"),
    ],
)
def test_non_printable_characters_are_escaped(sent: str, shown: str) -> None:
    """Non-printable characters, such as line feeds, are escaped in both bodies."""
    message = compose(5, requirement(value=sent), "us@example.com")
    assert f"\nValue: {shown}\nRecorded" in message["text"]
    assert f"<td>{shown}</td>" in message["html"]


def test_no_header_can_be_injected() -> None:
    """The subject is one line even if an association type contains line breaks."""
    subject = compose(5, requirement(type_="Ser\r\nBcc: x@example.com"), "us@example.com")["subject"]
    assert subject == "Requirement 41: Application 7 requires Ser\\u000d\\u000aBcc: x@example.com 1"
    assert single_line(subject) == subject
