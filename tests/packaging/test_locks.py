"""The locks: they pin what pyproject.toml asks for, and say nothing of the machine that made them."""

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
DEV = [text for text in GROUPS["dev"] if isinstance(text, str)]  # what else it names is the group below
DECLARED = {
    "requirements.lock": RUNTIME,
    "requirements-bench.lock": RUNTIME + GROUPS["bench"],
    "requirements-dev.lock": RUNTIME + DEV + GROUPS["bench"],
}
LOCKS = list(DECLARED)


def blocks(lock: str) -> dict[str, str]:
    """What a lock says of each package, by its name."""
    text = (ROOT / lock).read_text("utf-8")
    _, *parts = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    return {canonicalize_name(part.split("==")[0]): part for part in parts}


def pins(lock: str) -> dict[str, str]:
    """The version that a lock pins each package at."""
    return {name: block.split("==")[1].split()[0] for name, block in blocks(lock).items()}


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_declared_is_pinned_within_its_range(lock: str) -> None:
    """Each dependency that pyproject.toml declares is in the lock, at a version that it allows."""
    pinned = pins(lock)
    asked = [Requirement(text) for text in DECLARED[lock]]
    unfit = [str(it) for it in asked if not it.specifier.contains(pinned.get(canonicalize_name(it.name), "0"))]
    assert unfit == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_its_hashes(lock: str) -> None:
    """Nothing is installed that is not the very file that was locked."""
    assert [name for name, block in blocks(lock).items() if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address_is_in_a_lock(lock: str) -> None:
    """A lock names no registry, no index and no path: whoever installs says where from."""
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    telling = re.compile(r"://|(^|\s)/|file:|--(?!hash=)| @ ")
    assert [line for line in lines if telling.search(line)] == []


def test_the_tools_come_on_top_of_what_is_run() -> None:
    """One environment serves both: the larger lock holds the smaller one, at the same versions."""
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()
