"""No lock file pins a version with a known vulnerability."""

import json
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.packaging.test_locks import LOCKS, PROJECT, ROOT, pins

ADVISORIES: list[dict[str, Any]] = json.loads((ROOT / "tests/data/advisories.json").read_text("utf-8"))


def vulnerabilities(pinned: dict[str, str]) -> list[str]:
    """The vulnerabilities of the pinned versions."""
    return [
        f"{it['package']} {pinned[it['package']]}: {' '.join(it['ids'])}, {it['issue']}"
        for it in ADVISORIES
        if it["package"] in pinned and Version(pinned[it["package"]]) < Version(it["fixed_in"])
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_no_vulnerable_version_is_pinned(lock: str) -> None:
    """No lock file pins a version with a vulnerability in the advisories file."""
    assert vulnerabilities(pins(lock)) == []


def test_every_package_with_an_advisory_is_used() -> None:
    """Every package in the advisories file is pinned, so that no entry is stale or misspelt."""
    assert {it["package"] for it in ADVISORIES} <= pins("requirements.lock").keys()


def test_a_vulnerable_version_would_be_found() -> None:
    """A vulnerable version is reported with its advisory."""
    assert vulnerabilities({"aiohttp": "3.14.2"}) == [
        "aiohttp 3.14.2: CVE-2026-69244, the C parser of answers reads out of bounds"
    ]


def test_declared_ranges_exclude_vulnerable_versions() -> None:
    """The version ranges in pyproject.toml exclude vulnerable versions of aiohttp and marshmallow."""
    declared = {it.name: it.specifier for it in map(Requirement, PROJECT["project"]["dependencies"])}
    assert [name for name, old in (("aiohttp", "3.14.2"), ("marshmallow", "4.1.1")) if old in declared[name]] == []
