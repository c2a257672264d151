"""Run the programs of a cluster, and find the missing ones."""

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

POSTGRES = Path(os.environ.get("POSTGRES15_BIN", "/usr/lib/postgresql/15/bin"))
ACCOUNT = "postgres"
PACKAGES = {"etcd": "etcd-server", "patroni": "patroni", str(POSTGRES / "postgres"): "postgresql-15"}

# PostgreSQL refuses to run as root.
_AS_ACCOUNT: Mapping[str, Any] = {} if os.geteuid() else {"user": ACCOUNT, "group": ACCOUNT, "extra_groups": ()}


def missing_packages() -> list[str]:
    """Return the Debian packages to install before a cluster can run."""
    return [package for program, package in PACKAGES.items() if shutil.which(program) is None]


def make_folder(folder: Path) -> Path:
    """Create a folder that the programs can write to."""
    folder.mkdir(mode=0o700)
    if not os.geteuid():
        shutil.chown(folder, ACCOUNT, ACCOUNT)
    return folder


async def run(
    arguments: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    """Start a program in `folder` with its output in `program.log`. Only PATH is taken from our environment."""
    with (folder / "program.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *arguments,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", **(environ or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **_AS_ACCOUNT,
        )


def last_lines(folder: Path, count: int = 5) -> Iterator[str]:
    """Yield the last lines of a program's output."""
    yield from (folder / "program.log").read_text(errors="replace").splitlines()[-count:]
