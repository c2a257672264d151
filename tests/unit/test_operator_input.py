"""The rules for what operators enter, which the console and the command line share."""

from collections.abc import Callable

import pytest

from service.domain.operator_input import (
    InvalidInput,
    deployable,
    email_address,
    known_text,
    line,
    reference_filter,
    registry_name,
    slug,
)

KNOWN = [("requirements", "v1", action) for action in ("create", "read", "destroy_many")]

# A rule, what is entered, and the value to use.
TAKEN = [
    (slug, " shop ", "shop"),
    (slug, "My-shop_2.0", "My-shop_2.0"),
    (slug, "a" * 100, "a" * 100),
    (line, " The Shop & Söhne ", "The Shop & Söhne"),
    (line, "x" * 300, "x" * 300),
    (email_address, "root@localhost", "root@localhost"),
    (email_address, " jürgen+x@example.com", "jürgen+x@example.com"),
    (known_text, "any\x1b[1m text, \n even " + "x" * 1000, "any\x1b[1m text, \n even " + "x" * 1000),
    (reference_filter, "Service", ("Service", None)),
    (reference_filter, "Service/-1", ("Service", -1)),
    (reference_filter, "an/odd type/7", ("an/odd type", 7)),
    (registry_name, "requirements/v1/create", ("requirements", "v1", "create")),
    (registry_name, "../v1/x", ("..", "v1", "x")),
    (registry_name, "requirements", ("requirements",)),
]

REFUSED = [
    (reference_filter, "Service/"),
    (reference_filter, "Service/1.0"),
    (reference_filter, f"Service/{2**63}"),
    (reference_filter, "a\0/1"),
    (slug, ""),
    (slug, " "),
    (slug, "a" * 101),
    (slug, "a" * 100_000),
    (slug, "a b"),
    (slug, "-a"),
    (slug, ".."),
    (slug, "caf\u00e9"),
    (slug, "a\nb"),
    (slug, "a\udcff"),
    (line, "\t"),
    (line, "x" * 301),
    (line, "a\nb"),
    (line, "a\0b"),
    (line, "a\x1b[1mb"),
    (line, "\udcff"),
    (email_address, "no-at"),
    (email_address, "a@"),
    (email_address, "@b"),
    (email_address, "a@b@c"),
    (email_address, "a b@c"),
    (email_address, "a@b,c@d"),
    (email_address, "a@b\nBcc: c@d"),
    (email_address, "a\udcff@b"),
    (email_address, "a" * 250 + "@b.cd"),
    (known_text, "\udcff"),
    (known_text, "a\0"),
    (registry_name, ""),
    (registry_name, "a//b"),
    (registry_name, "a/b/c/d"),
    (registry_name, "a/b/\udcff"),
]  # fmt: skip

MISSPELT = [
    ("requirements/v1/creat", "requirements/v1/create"),
    ("requirements/v1/Create", "requirements/v1/create"),
    ("requirements/v1/destroy-many", "requirements/v1/destroy_many"),
    ("requirements/v2/create", "requirements/v1/create"),
    ("requirments/v1/create", "requirements/v1/create"),
    ("requirement", "requirements"),
    ("Requirements/v1", "requirements/v1"),
]


@pytest.mark.parametrize(("rule", "entered", "value"), TAKEN)
def test_what_keeps_the_rule_is_taken(rule: Callable[[str], object], entered: str, value: object) -> None:
    """The value to use is returned, without surrounding space where a record is made."""
    assert rule(entered) == value


@pytest.mark.parametrize(("rule", "entered"), REFUSED)
def test_what_breaks_the_rule_is_refused(rule: Callable[[str], object], entered: str) -> None:
    """Everything else is refused with a short reason on one line."""
    with pytest.raises(InvalidInput) as refused:
        rule(entered)
    reason = str(refused.value)
    assert len(reason) < 200
    assert reason.isprintable()


@pytest.mark.parametrize(("entered", "meant"), MISSPELT)
def test_a_misspelt_name_is_not_deployed(entered: str, meant: str) -> None:
    """A name that looks like one of this build is refused, with the one that was meant."""
    with pytest.raises(InvalidInput, match=f"did you mean {meant}\\?$"):
        deployable(registry_name(entered), KNOWN)


@pytest.mark.parametrize("entered", ["requirements/v1/zzz", "requirements/v7", "orders/v1"])
def test_an_unknown_name_has_no_suggestion(entered: str) -> None:
    """A route of a service of this build, or all routes of a version, must be known to it."""
    with pytest.raises(InvalidInput, match=r"is not a name of this build$"):
        deployable(registry_name(entered), KNOWN)


@pytest.mark.parametrize("entered", ["../v1/x", "orders/v1/a b", "orders/v1/" + "x" * 101, "<script>", "ord\x1b"])
def test_parts_that_no_url_has_are_not_deployed(entered: str) -> None:
    """A name that cannot be part of a path is refused, also for a service of another build."""
    with pytest.raises(InvalidInput, match="must have parts of letters"):
        deployable(registry_name(entered), KNOWN)


@pytest.mark.parametrize(
    "entered", ["requirements", "requirements/v1", "requirements/v1/read", "orders/v1/list", "orders"]
)
def test_names_of_this_build_and_of_others_are_deployed(entered: str) -> None:
    """The names of this build may be deployed, and those of services that other builds answer."""
    assert deployable(registry_name(entered), KNOWN) == tuple(entered.split("/"))
