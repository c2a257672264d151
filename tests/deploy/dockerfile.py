"""Parse a Dockerfile into stages and instructions."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name and its arguments."""

    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        """The arguments as separate words; a JSON list is parsed."""
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


def stages(path: Path) -> list[list[Instruction]]:
    """The instructions of each stage, starting with FROM."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    found: list[list[Instruction]] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, rest.strip()))
    return found


def named(stage: list[Instruction], name: str) -> list[Instruction]:
    """The instructions of a stage with this name, in order."""
    return [instruction for instruction in stage if instruction.name == name]


def only(stage: list[Instruction], name: str) -> Instruction:
    """The only instruction with this name."""
    (found,) = named(stage, name)
    return found
