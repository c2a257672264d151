"""What processes and the machine have used, as /proc tells; None where there is no /proc."""

import os
import platform
import statistics
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

_PROC = Path("/proc")
_NANOSECONDS = 1e9


def cpu_seconds(root: int | None) -> float | None:
    """CPU time of a process and all below it, those that have ended included."""
    if root is None or not _PROC.is_dir():
        return None
    alive = sum(_own_cpu_seconds(pid) for pid in tree(root))
    reaped = sum(map(int, _stat(root)[13:15])) / os.sysconf("SC_CLK_TCK")
    return alive + reaped


def tree(root: int) -> list[int]:
    """A process and all below it."""
    children = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children[int(stat[1])].append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children[pid])
    return found


def workers(root: int) -> list[int]:
    """The processes below one that start none themselves; itself where it has started none."""
    if not _PROC.is_dir():
        return []
    found = tree(root)
    parents = {parent(pid) for pid in found}
    return [pid for pid in found if pid not in parents]


def parent(pid: int) -> int | None:
    """The parent of a process, if there is such a process here."""
    stat = _stat(pid)
    return int(stat[1]) if stat else None


def postmaster(backend: int) -> int | None:
    """The first process of the PostgreSQL that one of its processes belongs to, if it runs here."""
    try:
        # Behind a network or in a container of its own the number is another process's, or nobody's.
        ours = b"postgres" in (_PROC / str(backend) / "cmdline").read_bytes()
    except OSError:
        return None
    return parent(backend) if ours else None


def busy_seconds() -> float | None:
    """CPU time of everything on this machine since it started."""
    try:
        fields = [int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return None
    idle, waiting = fields[3:5]
    return (sum(fields) - idle - waiting) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in MiB: what it holds, its fair share of that, and the most it ever held."""

    rss: float
    pss: float
    peak: float


def memory(pid: int) -> Memory | None:
    """The memory of a process, if it can be seen."""
    try:
        status = (_PROC / str(pid) / "status").read_text()
        shares = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return None
    return Memory(_mebibytes(status, "VmRSS:"), _mebibytes(shares, "Pss:"), _mebibytes(status, "VmHWM:"))


def _mebibytes(text: str, name: str) -> float:
    return next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith(name))


def _stat(pid: int) -> list[str]:
    """The fields after the name of the program, which may hold anything; none of a process that is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _own_cpu_seconds(pid: int) -> float:
    total = 0
    try:
        for thread in (_PROC / str(pid) / "task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    except OSError:
        pass
    return total / _NANOSECONDS


def commit_microseconds(folder: Path) -> float:
    """What it takes to have 8 KiB on this disk for certain: the median of a hundred times."""
    path = folder / "durable"
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(100):
            file.seek(0)
            file.write(bytes(8192))
            started = perf_counter()
            os.fdatasync(file.fileno())
            taken.append(perf_counter() - started)
    path.unlink()
    return statistics.median(taken) * 1e6


def facts() -> dict[str, str]:
    """The machine, the versions, and the commit."""
    libraries = ("aiohttp", "asyncpg", "uvloop", "orjson", "fastapi", "uvicorn", "httptools", "pydantic")
    return {
        "machine": f"{_cpu_model()}, {os.cpu_count()} cores, {_memory_gibibytes():.0f} GiB, {platform.system()} "
        f"{platform.release()}",
        "versions": f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in libraries),
        "commit": _commit(),
    }


def _cpu_model() -> str:
    try:
        lines = (_PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_gibibytes() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a command of our own
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
