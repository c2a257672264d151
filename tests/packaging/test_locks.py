"""The lock files pin the dependencies in pyproject.toml, and do not depend on the machine that made them."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
RUNTIME = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["embedded"]
GROUPS = PROJECT["dependency-groups"]
DEV = [text for text in GROUPS["dev"] if isinstance(text, str)]  # the rest is the included bench group
DECLARED = {
    "requirements.lock": RUNTIME,
    "requirements-bench.lock": RUNTIME + GROUPS["bench"],
    "requirements-dev.lock": RUNTIME + DEV + GROUPS["bench"],
}
LOCKS = list(DECLARED)


def blocks(lock: str) -> dict[str, str]:
    """The text about each package in a lock file, by package name."""
    text = (ROOT / lock).read_text("utf-8")
    _, *parts = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    return {canonicalize_name(re.split(r"==|\[", part)[0]): part for part in parts}


def pins(lock: str) -> dict[str, str]:
    """The pinned version of each package in a lock file."""
    return {name: block.split("==")[1].split()[0] for name, block in blocks(lock).items()}


@pytest.mark.parametrize("lock", LOCKS)
def test_declared_dependencies_are_pinned_within_their_range(lock: str) -> None:
    """Each dependency in pyproject.toml is pinned at a version within its range."""
    pinned = pins(lock)
    declared = [Requirement(text) for text in DECLARED[lock]]
    unsatisfied = [str(it) for it in declared if not it.specifier.contains(pinned.get(canonicalize_name(it.name), "0"))]
    assert unsatisfied == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_its_hashes(lock: str) -> None:
    """Every pinned package has hashes."""
    assert [name for name, block in blocks(lock).items() if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_contains_a_location(lock: str) -> None:
    """A lock file contains no registry URL, index or path."""
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    location = re.compile(r"://|(^|\s)/|file:|--(?!hash=)| @ ")
    assert [line for line in lines if location.search(line)] == []


def test_the_development_lock_extends_the_runtime_lock() -> None:
    """The development lock contains the runtime lock at the same versions."""
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()
