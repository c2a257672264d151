"""Run the etcd in which Patroni's nodes elect the primary. One node suffices, since only PostgreSQL fails here."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.tools.benchmark.processes import free_port
from tests.tools.failover.processes import make_folder, run


@contextlib.asynccontextmanager
async def etcd(folder: Path) -> AsyncIterator[str]:
    """Run an etcd with its data in `folder`; yield its address."""
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
