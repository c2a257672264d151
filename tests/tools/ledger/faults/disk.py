"""A full disk: a small tmpfs for the table, which only root can mount."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tests.tools.ledger.faults.fault import fault
from tests.tools.ledger.system import SystemUnderTest

SIZE = "256m"
CHUNK = bytes(1 << 16)


@fault(5, long=15)
async def fill_the_disk(system: SystemUnderTest) -> AsyncIterator[None]:
    """Fill the disk of the table requirements, then free it."""
    with _small_disk(system.postgres.folder / "postgres") as disk:
        await system.execute(
            f"CREATE TABLESPACE small LOCATION '{disk}'",
            "ALTER TABLE requirements SET TABLESPACE small",
        )
        with _full(disk):
            yield
        await system.execute("ALTER TABLE requirements SET TABLESPACE pg_default", "DROP TABLESPACE small")


@contextlib.contextmanager
def _small_disk(cluster: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ledger-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "ledger", folder], check=True)  # noqa: S603, S607
    try:
        owner = cluster.stat()
        place = folder / "tablespace"
        place.mkdir()
        os.chown(place, owner.st_uid, owner.st_gid)
        yield place
    finally:
        # The server keeps deleted files open; a lazy unmount completes once it closes them.
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S603, S607
        folder.rmdir()


@contextlib.contextmanager
def _full(disk: Path) -> Iterator[None]:
    ballast = disk.parent / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(CHUNK)
    try:
        yield
    finally:
        ballast.unlink()
