"""Two PostgreSQL servers under Patroni: their roles, replication mode, and connection URL."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.tools.failover.etcd import etcd
from tests.tools.failover.node import Node
from tests.tools.failover.processes import last_lines

DATABASE = "requirements"
SETTLE_SECONDS = 60.0
ROLES = {True: "sync_standby", False: "replica"}


class ClusterError(Exception):
    """The cluster did not reach an expected state in time."""


class Cluster:
    """A cluster of two nodes; created by `cluster`."""

    def __init__(self, nodes: tuple[Node, Node], http: aiohttp.ClientSession) -> None:
        self.nodes = nodes
        self._http = http

    def url(self, database: str = DATABASE) -> str:
        """Connection URL of whichever node accepts writes."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"postgresql://postgres@{hosts}/{database}?target_session_attrs=read-write"

    def replica_url(self) -> str:
        """Connection URL of whichever node is the standby."""
        return self.url().partition("?")[0]

    def other(self, node: Node) -> Node:
        """Return the node that is not `node`."""
        first, second = self.nodes
        return second if node is first else first

    async def wait_settled(self, *, synchronous: bool) -> Node:
        """Wait until both nodes run and replicate in this mode; return the primary."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            for node in self.nodes:
                roles = await self._roles(node)
                if roles == {
                    node.name: "leader",
                    self.other(node).name: ROLES[synchronous],
                } and await self._is_following(node, synchronous=synchronous):
                    return node
            await asyncio.sleep(0.1)
        lines = [f"{node.name}: {line}" for node in self.nodes for line in last_lines(node.folder)]
        raise ClusterError("\n".join(["the nodes did not reach the expected roles", *lines]))

    async def wait_promoted(self, node: Node) -> None:
        """Wait until `node` is the primary."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (await self._roles(node)).get(node.name) != "leader":
            if time.monotonic() > deadline:
                raise ClusterError("\n".join([f"{node.name} was not promoted", *last_lines(node.folder)]))
            await asyncio.sleep(0.1)

    async def configure(self, settings: Mapping[str, Any]) -> None:
        """Change the shared settings of the nodes."""
        async with self._http.patch(f"{self.nodes[0].api}/config", json=settings) as response:
            response.raise_for_status()

    async def switch_over(self, node: Node) -> None:
        """Request a switchover to `node`, as for planned maintenance of the other."""
        request = {"leader": self.other(node).name, "candidate": node.name}
        async with self._http.post(f"{node.api}/switchover", json=request) as response:
            if response.status != 200:
                raise ClusterError(f"the switchover was refused: {await response.text()}")

    async def _roles(self, node: Node) -> dict[str, str]:
        """Return the role of each node as `node` reports it; empty if it does not respond."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._http.get(f"{node.api}/cluster") as response:
                members = (await response.json(content_type=None)).get("members", [])
                return {member["name"]: member["role"] for member in members if member["state"] == "running"}
        return {}

    async def _is_following(self, primary: Node, *, synchronous: bool) -> bool:
        """Ask the primary whether the standby streams from it, since etcd's state may be out of date."""
        with contextlib.suppress(asyncpg.PostgresError, OSError, TimeoutError):
            connection = await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{primary.port}/postgres", timeout=2)
            try:
                states = await connection.fetch("SELECT state, sync_state = 'sync' FROM pg_stat_replication")
            finally:
                await connection.close()
            return [tuple(state) for state in states] == [("streaming", synchronous)]
        return False


@contextlib.asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    """Run a cluster with synchronous replication and its files in `folder`; stop it on exit."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30, sock_connect=1)) as http,
        etcd(folder / "etcd") as address,
        contextlib.AsyncExitStack() as stack,
    ):
        first, second = (Node(name, folder / name, address) for name in ("one", "two"))
        for node in (first, second):
            stack.push_async_callback(node.kill)
            await node.start()
        made = Cluster((first, second), http)
        await made.wait_settled(synchronous=True)
        yield made
