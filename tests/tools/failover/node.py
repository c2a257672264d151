"""A host of the cluster: Patroni and its PostgreSQL, which can be killed, suspended and restarted together."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import psutil
import yaml

from tests.tools.benchmark.processes import free_port
from tests.tools.failover.processes import POSTGRES, make_folder, run
from tests.tools.failover.settings import node_settings


class Node:
    """A host called `name` with its files in `folder`."""

    def __init__(self, name: str, folder: Path, etcd: str) -> None:
        self.name = name
        self.folder = make_folder(folder)
        self.port, self._api_port = free_port(), free_port()
        self.api = f"http://127.0.0.1:{self._api_port}"
        self._process: asyncio.subprocess.Process | None = None
        settings = node_settings(name, folder, POSTGRES, etcd, self.port, self._api_port)
        (folder / "patroni.yaml").write_text(yaml.safe_dump(settings))

    async def start(self) -> None:
        """Start Patroni."""
        self._process = await run(["patroni", "patroni.yaml"], self.folder)

    async def kill(self) -> None:
        """Kill all processes of the host at once, as a power failure does."""
        pids = self.suspend()
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        if self._process:
            await self._process.wait()
        gone = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
        await asyncio.to_thread(psutil.wait_procs, gone, 10)

    def suspend(self) -> list[int]:
        """Suspend all processes of the host and return their ids. Connections stay open, and nothing responds."""
        # Parents first, so that they start no further children.
        parents = [self._process.pid if self._process else None, self._postmaster()]
        pids: list[int] = []
        for parent in parents:
            if parent is not None:
                _signal(parent, signal.SIGSTOP)
                with contextlib.suppress(psutil.NoSuchProcess):
                    pids += [parent, *(child.pid for child in psutil.Process(parent).children(recursive=True))]
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        return pids

    def _postmaster(self) -> int | None:
        """Return the pid of the running postmaster. A stale pid file may name another process, or none."""
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
            if psutil.Process(pid).exe() == str(POSTGRES / "postgres"):
                return pid
        return None


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
