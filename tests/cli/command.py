"""Run the command line as a real process."""

import asyncio
import multiprocessing
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from service.cli import main
from tests.serving.process import environment

PROGRAM = (sys.executable, "-m", "service")
PATIENCE_SECONDS = 30

# Importing the command line takes ten times as long as most commands. This server imports it, if pytest was started in
# the root of the repository, and each command is a fork of it.
FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload([__name__])

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
        with tempfile.TemporaryDirectory() as folder:
            output, errors = Path(folder) / "output", Path(folder) / "errors"
            process = FORK_SERVER.Process(
                target=_run, args=(arguments, self.folder, self._environ(environ), output, errors), daemon=True
            )
            process.start()
            await asyncio.to_thread(process.join, PATIENCE_SECONDS)
            if process.exitcode is None:
                process.kill()
                raise TimeoutError
            return Done(process.exitcode, output.read_text("utf-8"), errors.read_text("utf-8"))

    async def in_new_interpreter(self, *arguments: str, **environ: str) -> Done:
        """The same for environment variables that Python itself reads."""
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
        async with asyncio.timeout(PATIENCE_SECONDS):
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


def _run(arguments: tuple[str, ...], folder: Path, environ: Mapping[str, str], output: Path, errors: Path) -> None:
    """Run a command in this process, which was forked for it. Unlike with `python -m service`, Python runs already."""
    for number, path, mode in (0, os.devnull, os.O_RDONLY), (1, output, os.O_WRONLY), (2, errors, os.O_WRONLY):
        os.dup2(os.open(path, mode | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.argv = [PROGRAM[-1], *arguments]
    sys.exit(main())


def walk(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and all its subcommands."""
    yield words, command
    for name, inner in command.commands.items() if isinstance(command, click.Group) else ():
        yield from walk(inner, (*words, name))
