"""Rules for what operators enter. The console and the command line use the same ones.

A rule is a function that returns the value to use, or raises `InvalidInput`.
"""

import re
from collections.abc import Collection
from difflib import get_close_matches

MAX_SLUG_LENGTH = 100
MAX_LINE_LENGTH = 300
MAX_EMAIL_LENGTH = 254  # the longest address that mail servers accept
MAX_ROWS = 100_000  # the most rows of a list that are read at once

# The parts of the name of a service (1), of all routes of a version (2) or of one route (3).
RegistryName = tuple[str, ...]
ROUTE_PARTS = 3

_ID = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# As in mandrill.recipients: a bare address, and no character that could end an e-mail header.
_EMAIL = re.compile(r"[^\s@<>,;:\"\x00-\x1f\x7f]+@[^\s@<>,;:\"\x00-\x1f\x7f]+")

# How alike two names are from 0 to 1, for one to be taken for a misspelt other.
_ALIKE = 0.75


class InvalidInput(ValueError):
    """What was entered breaks its rule. The message goes on from it, such as "must be one line …"."""


def known_text(text: str) -> str:
    """A text to look up, which may be in the tables in any form. Raises `InvalidInput` if PostgreSQL cannot hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput("must be valid UTF-8") from None
    if "\0" in text:
        raise InvalidInput("must not contain the NUL character")
    return text


def line(text: str) -> str:
    """A name to display, without surrounding space: one line of 1 to 300 printable characters."""
    stripped = text.strip()
    if not 1 <= len(stripped) <= MAX_LINE_LENGTH or not stripped.isprintable():
        raise InvalidInput(f"must be one line of 1 to {MAX_LINE_LENGTH} characters")
    return stripped


def slug(text: str) -> str:
    """The slug of a new application, without surrounding space."""
    stripped = text.strip()
    if len(stripped) > MAX_SLUG_LENGTH or not _SLUG.fullmatch(stripped):
        raise InvalidInput(
            f"must be 1 to {MAX_SLUG_LENGTH} of the letters A to Z, digits, dots, hyphens and underscores, "
            "beginning with a letter or digit"
        )
    return stripped


def email_address(text: str) -> str:
    """The e-mail address of a new user, without surrounding space."""
    stripped = text.strip()
    if len(stripped) > MAX_EMAIL_LENGTH or not stripped.isprintable() or not _EMAIL.fullmatch(stripped):
        raise InvalidInput(f"must be an e-mail address of at most {MAX_EMAIL_LENGTH} characters")
    return stripped


def reference_filter(text: str) -> tuple[str, int | None]:
    """The type and the id of a reference such as Service/1, or the type alone, to look up."""
    kind, slash, number = known_text(text).rpartition("/")
    if not slash:
        return number, None
    if not _ID.fullmatch(number) or not -(2**63) <= int(number) < 2**63:
        raise InvalidInput("is not a reference such as Service/1, or a type such as Service")
    return kind, int(number)


def registry_name(text: str) -> RegistryName:
    """The parts of the name of a route, of all routes of a version, or of a service, as it may be in the tables."""
    parts = tuple(known_text(text).strip().split("/"))
    if len(parts) > ROUTE_PARTS or not all(parts):
        raise InvalidInput("is not a name such as requirements/v1/create, requirements/v1 or requirements")
    return parts


def deployable(name: RegistryName, known: Collection[RegistryName]) -> RegistryName:
    """The name of what may be deployed. `known` are the routes that this build answers.

    A name of one of its services must be one of its routes. A name of any other service is taken, since other builds
    have their records in the same tables, unless it looks like one of this build that is misspelt.
    """
    if not all(len(part) <= MAX_SLUG_LENGTH and _SLUG.fullmatch(part) for part in name):
        raise InvalidInput("must have parts of letters, digits, dots, hyphens and underscores")
    if any(route[: len(name)] == name for route in known):
        return name
    meant = _meant_service(name[0], {route[0] for route in known})
    if meant is None and len(name) != ROUTE_PARTS - 1:
        return name
    routes = {route[: len(name)] for route in known if route[0] == meant}
    suggestion = _most_alike(name, routes)
    raise InvalidInput("is not a name of this build" + (f": did you mean {suggestion}?" if suggestion else ""))


def _meant_service(service: str, known: Collection[str]) -> str | None:
    return next(iter(get_close_matches(service, known, n=1, cutoff=_ALIKE)), None)


def _most_alike(name: RegistryName, routes: Collection[RegistryName]) -> str | None:
    # Without the service, which they have in common and which would make all of them alike.
    rests = {"/".join(route[1:]): "/".join(route) for route in routes}
    alike = get_close_matches("/".join(name[1:]), rests, n=1, cutoff=_ALIKE) if len(name) > 1 else list(rests)
    return rests[alike[0]] if alike else None
