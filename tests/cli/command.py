"""One run of the command line as a real process."""

import asyncio
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.serving.process import environment

PROGRAM = (sys.executable, "-m", "service")

# Not to be seen in anything that is said; and an address where nobody listens.
PASSWORD = "hunter2-is-secret"
NO_DATABASE = f"postgresql://someone:{PASSWORD}@127.0.0.1:1/none"


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """The one line that a failed command says, and says alone, without its name."""
        assert self.output == ""
        (line,) = self.errors.splitlines()
        assert line.startswith("requirements-service: ")
        return line.removeprefix("requirements-service: ")

    @property
    def table(self) -> list[list[str]]:
        """The cells of a printed table, where columns are two spaces apart."""
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in self.output.splitlines()]


@dataclass(frozen=True)
class CommandLine:
    """The command line in a folder of its own, on one database."""

    folder: Path
    url: str

    async def __call__(self, *arguments: str, **environ: str) -> Done:
        """Run one command to its end."""
        return await self._finish(
            await asyncio.create_subprocess_exec(*PROGRAM, *arguments, **self._pipes, env=self._environ(environ))
        )

    async def through(self, line: str) -> Done:
        """Run a command, given as one line, by a shell, which may send its output elsewhere."""
        shell = f"{shlex.join(PROGRAM)} {line}"
        return await self._finish(await asyncio.create_subprocess_shell(shell, **self._pipes, env=self._environ({})))

    @property
    def _pipes(self) -> dict[str, Any]:
        pipe = asyncio.subprocess.PIPE
        return {"cwd": self.folder, "stdin": asyncio.subprocess.DEVNULL, "stdout": pipe, "stderr": pipe}

    def _environ(self, changes: Mapping[str, str]) -> dict[str, str]:
        return environment({"DATABASE_URL": self.url, **changes})

    async def _finish(self, process: asyncio.subprocess.Process) -> Done:
        async with asyncio.timeout(30):
            output, errors = await process.communicate()
        return Done(await process.wait(), output.decode(), errors.decode())

    async def says(self, *arguments: str) -> str:
        """What a command prints that succeeds and has nothing to complain of."""
        done = await self(*arguments)
        assert (done.code, done.errors) == (0, "")
        return done.output

    async def tells(self, *arguments: str) -> str:
        """The token that a command prints alone, beside a word about it for the person who runs it."""
        done = await self(*arguments)
        assert (done.code, done.errors.count("\n"), done.output.count("\n")) == (0, 1, 1)
        return done.output.strip()
