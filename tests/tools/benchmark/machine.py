"""CPU and memory use of processes and the machine from /proc; None without /proc."""

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
    """Return the CPU time of a process and its descendants, including those that have ended."""
    if root is None or not _PROC.is_dir():
        return None
    alive = sum(_own_cpu_seconds(pid) for pid in tree(root))
    reaped = sum(map(int, _stat(root)[13:15])) / os.sysconf("SC_CLK_TCK")
    return alive + reaped


def tree(root: int) -> list[int]:
    """Return a process and its descendants."""
    children = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children[int(stat[1])].append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children[pid])
    return found


def workers(root: int) -> list[int]:
    """Return the descendants without children; the process itself if it has none."""
    if not _PROC.is_dir():
        return []
    found = tree(root)
    parents = {parent(pid) for pid in found}
    return [pid for pid in found if pid not in parents]


def parent(pid: int) -> int | None:
    """Return the parent of a process, if the process exists here."""
    stat = _stat(pid)
    return int(stat[1]) if stat else None


def postmaster(backend: int) -> int | None:
    """Return the postmaster of a PostgreSQL backend, if it runs here."""
    try:
        # On another host or in a container, the pid belongs to a different process or to none.
        own = b"postgres" in (_PROC / str(backend) / "cmdline").read_bytes()
    except OSError:
        return None
    return parent(backend) if own else None


def busy_seconds() -> float | None:
    """Return the CPU time of all processes since the machine started."""
    try:
        fields = [int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return None
    idle, waiting = fields[3:5]
    return (sum(fields) - idle - waiting) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a process in MiB: resident, proportional share, and peak."""

    rss: float
    pss: float
    peak: float


def memory(pid: int) -> Memory | None:
    """Return the memory of a process, if it is visible."""
    try:
        status = (_PROC / str(pid) / "status").read_text()
        shares = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return None
    return Memory(_mebibytes(status, "VmRSS:"), _mebibytes(shares, "Pss:"), _mebibytes(status, "VmHWM:"))


def _mebibytes(text: str, name: str) -> float:
    return next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith(name))


def _stat(pid: int) -> list[str]:
    """Return the fields after the program's name, which may contain any character; empty if the process is gone."""
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
    """Return the median time in µs to write and sync 8 KiB to this disk, of a hundred writes."""
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
    """Return the machine, the versions, and the commit."""
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
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a fixed command
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
