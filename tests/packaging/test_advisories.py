"""No lock holds a version with a published vulnerability that is known here."""

import json
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.packaging.test_locks import LOCKS, PROJECT, ROOT, pins

ADVISORIES: list[dict[str, Any]] = json.loads((ROOT / "tests/data/advisories.json").read_text("utf-8"))


def unfit(pinned: dict[str, str]) -> list[str]:
    """The vulnerabilities of versions that are pinned."""
    return [
        f"{it['package']} {pinned[it['package']]}: {' '.join(it['ids'])}, {it['issue']}"
        for it in ADVISORIES
        if it["package"] in pinned and Version(pinned[it["package"]]) < Version(it["fixed_in"])
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_no_vulnerable_version_is_pinned(lock: str) -> None:
    """Whatever is installed has every fix that is known."""
    assert unfit(pins(lock)) == []


def test_every_package_with_an_advisory_is_used() -> None:
    """The table speaks of what runs: a package that is gone, or misspelt, would be guarded no more."""
    assert {it["package"] for it in ADVISORIES} <= pins("requirements.lock").keys()


def test_a_vulnerable_version_would_be_found() -> None:
    """The version before a fix is told, with what is wrong with it."""
    assert unfit({"aiohttp": "3.14.2"}) == [
        "aiohttp 3.14.2: CVE-2026-69244, the C parser of answers reads out of bounds"
    ]


def test_an_installation_without_the_lock_has_the_fixes_of_the_server() -> None:
    """The ranges of pyproject.toml begin where aiohttp and marshmallow are safe."""
    asked = {it.name: it.specifier for it in map(Requirement, PROJECT["project"]["dependencies"])}
    assert [name for name, old in (("aiohttp", "3.14.2"), ("marshmallow", "4.1.1")) if old in asked[name]] == []
