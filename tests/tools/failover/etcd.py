"""The store in which Patroni's nodes agree on who is the primary: one etcd, which is enough to break PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.tools.benchmark.processes import free_port
from tests.tools.failover.programs import make_folder, run


@contextlib.asynccontextmanager
async def etcd(folder: Path) -> AsyncIterator[str]:
    """The address of an etcd kept in `folder`, gone at the end."""
    clients, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    process = await run(
        [
            *("etcd", "--name", "only", "--data-dir", "data"),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"only={peers}"),
        ],
        make_folder(folder),
    )
    try:
        yield clients.removeprefix("http://")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.wait_for(process.wait(), 10)
