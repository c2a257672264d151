"""Run the command line as a real process."""

import asyncio
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tests.serving.process import environment

PROGRAM = (sys.executable, "-m", "service")

# A password that no output may contain, and the URL of a port that nothing listens on.
PASSWORD = "hunter2-is-secret"
NO_DATABASE = f"postgresql://someone:{PASSWORD}@127.0.0.1:1/none"


@dataclass(frozen=True)
class Done:
    """The exit code and the output of a command."""

    code: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """The error message of a failed command, without the program's name. Asserts that it is the only output."""
        assert self.output == ""
        (line,) = self.errors.splitlines()
        assert line.startswith("requirements-service: ")
        return line.removeprefix("requirements-service: ")

    @property
    def table(self) -> list[list[str]]:
        """The cells of a printed table."""
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in self.output.splitlines()]


@dataclass(frozen=True)
class CommandLine:
    """The command line in its own folder, on one database."""

    folder: Path
    url: str

    async def __call__(self, *arguments: str, **environ: str) -> Done:
        """Run one command and wait until it exits."""
        return await self._finish(
            await asyncio.create_subprocess_exec(*PROGRAM, *arguments, **self._pipes, env=self._environ(environ))
        )

    async def through(self, line: str) -> Done:
        """Run a command line in a shell, so that its output can be piped or redirected."""
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
        """Run a command that must succeed without errors or warnings, and return its output."""
        done = await self(*arguments)
        assert (done.code, done.errors) == (0, "")
        return done.output

    async def tells(self, *arguments: str) -> str:
        """Run a command that must print one line on stderr and a token on stdout, and return the token."""
        done = await self(*arguments)
        assert (done.code, done.errors.count("\n"), done.output.count("\n")) == (0, 1, 1)
        return done.output.strip()


def walk(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and all its subcommands."""
    yield words, command
    for name, inner in command.commands.items() if isinstance(command, click.Group) else ():
        yield from walk(inner, (*words, name))
