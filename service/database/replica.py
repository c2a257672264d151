"""A hot standby that answers reads while it is not far behind its primary.

A read does not query the lag: each worker looks at both servers several times within `replica_max_lag_seconds`.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from functools import partial

import asyncpg
import structlog

from service.config import DatabaseConfig
from service.config.database_url import Server, parse_database_url
from service.config.libpq_parameters import DatabaseUrlError
from service.database.connection import APPLICATION_NAME, connect
from service.database.errors import DatabaseError, DatabaseUnusable, NotConnected, translate_statement_errors
from service.database.pool import Database
from service.database.queries import QUERIES
from service.database.replay import Replay
from service.database.replica_pool import ReplicaPool
from service.database.session import INDEX_PLANS_ONLY, INDEX_SCANS

LOOKS_PER_LAG = 4
MAX_PAUSE_SECONDS = 1.0
# A server that has not answered by then is lost: the primary answers the reads that it has.
LOOK_TIMEOUT_SECONDS = 1.0
# On a standby, only what it replays locks a table. The primary need not wait for it.
LOCK_TIMEOUT_SECONDS = 0.5
RETRY_PAUSE_SECONDS = 0.5
# A replica may be lagging and not lagging many times a minute.
LOG_PAUSE_SECONDS = 10.0

log = structlog.get_logger()


class Replica:
    """The first of the servers of `settings.replica_url` that is a standby of the primary, until it is lost.

    `database` and `look_ups` are pools of connections to it, for reads and for look-ups of tokens. Their statements
    raise `ConnectionLost` when it is lost. Use them only while the replica is `usable`.
    """

    def __init__(self, settings: DatabaseConfig, url: str, primary: Database) -> None:
        """`url` is that of the standbys. `primary` is a pool for the statements that look at the primary."""
        lock_timeout_seconds = min(LOCK_TIMEOUT_SECONDS, settings.lock_timeout_seconds)
        self._settings = settings = replace(settings, lock_timeout_seconds=lock_timeout_seconds)
        self._url = url
        self._primary = primary
        self._pause = min(settings.replica_max_lag_seconds / LOOKS_PER_LAG, MAX_PAUSE_SECONDS)
        reading = replace(settings, pool_size=settings.read_pool_size)
        self.database = ReplicaPool(partial(self._connect, INDEX_SCANS), reading)
        self.look_ups = ReplicaPool(partial(self._connect, INDEX_PLANS_ONLY), replace(settings, pool_size=1))
        # The server that is looked at, and when it was started: an address may lead to several servers.
        self._attached: tuple[Server, str] | None = None
        self._replay = Replay()
        self._last_as_of = time.monotonic()
        self._told_usable: bool | None = None
        self._told_at = -LOG_PAUSE_SECONDS

    @property
    def pools(self) -> tuple[ReplicaPool, ReplicaPool]:
        """Both pools."""
        return self.database, self.look_ups

    @property
    def usable(self) -> bool:
        """Whether it may answer a read that begins now."""
        return self._attached is not None and self._is_recent(self._replay.as_of)

    @property
    def lag_seconds(self) -> float:
        """The time since it certainly had all that was committed, or since this object was created."""
        return time.monotonic() - max(self._replay.as_of, self._last_as_of)

    def _is_recent(self, as_of: float) -> bool:
        return time.monotonic() - as_of <= self._settings.replica_max_lag_seconds

    async def follow(self) -> None:
        """Look at the servers until cancelled."""
        while True:
            reasons = []
            for server in self._servers():
                try:
                    await self._follow(server)
                except DatabaseError as error:
                    reasons.append(f"{server[0] or 'localhost'}: {error}")
            self._tell(usable=False, reason="; ".join(reasons))
            await asyncio.sleep(RETRY_PAUSE_SECONDS)

    def _servers(self) -> tuple[Server, ...]:
        try:
            return parse_database_url(self._url, of_standby=True).servers
        except DatabaseUrlError as error:  # a file that it names has changed
            log.warning("replica-url-unusable", reason=str(error))
            return ()

    async def _follow(self, server: Server) -> None:
        """Look at the primary and at `server` again and again. Raises `DatabaseError` when `server` is lost."""
        async with self._looking_at(server) as connection:
            while True:
                identity = await self._look_at_primary()
                await self._look(connection, server, identity)
                if self.usable:
                    self._tell(usable=True, server=server[0] or "localhost")
                elif not self._is_recent(self._last_as_of):
                    self._tell(usable=False, reason=f"{self.lag_seconds:.1f} s behind, as far as is known")
                await asyncio.sleep(self._pause)

    @contextlib.asynccontextmanager
    async def _looking_at(self, server: Server) -> AsyncIterator[asyncpg.Connection]:
        """A connection to `server`. After it, no read has a connection to the server any more."""
        connection = await connect(self._settings, self._url, f"{APPLICATION_NAME} replica", standby=server)
        try:
            yield connection
        finally:
            connection.terminate()
            self._attached = None
            self._last_as_of = max(self._last_as_of, self._replay.as_of)
            self._replay = Replay()
            await asyncio.gather(*(pool.give_up() for pool in self.pools))

    async def _look_at_primary(self) -> str | None:
        """Mark the position of the primary, and return which database it is.

        None if it does not answer: nobody can say what the standby lacks, and the lag grows.
        """
        at = time.monotonic()
        try:
            (row,) = await self._primary.fetch(QUERIES["primary_position"], timeout=LOOK_TIMEOUT_SECONDS)
        except DatabaseError:
            # The server may have become a standby.
            self._primary.close()
            return None
        self._replay.mark(at, row["position"])
        identity: str = row["identity"]
        return identity

    async def _look(self, connection: asyncpg.Connection, server: Server, identity: str | None) -> None:
        """Note what `server` has replayed. Raises `DatabaseError` if it cannot be used."""
        with translate_statement_errors():
            row = await connection.fetchrow(QUERIES["standby_position"], timeout=LOOK_TIMEOUT_SECONDS)
        assert row is not None  # noqa: S101 - a SELECT without FROM returns one row
        if not row["is_standby"]:
            raise NotConnected("is not a standby any more")
        if identity is None:
            return
        if identity != row["identity"]:
            raise DatabaseUnusable("is not a standby of the server in database.url")
        if row["receives_wal"]:
            self._replay.replayed(row["position"])
        self._attached = (server, row["started"])

    async def _connect(self, planning: Mapping[str, str]) -> asyncpg.Connection:
        """Open a connection for a pool. Raises `NotConnected`."""
        if self._attached is None:
            raise NotConnected("the replica is lost")
        server, expected = self._attached
        connection = await connect(self._settings, self._url, APPLICATION_NAME, session=planning, standby=server)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(connection.terminate)
            with translate_statement_errors():
                started = await connection.fetchval(QUERIES["server_start"])
            if started != expected:
                raise NotConnected("the address leads to another server than before")
            on_failure.pop_all()
        return connection

    def _tell(self, *, usable: bool, **details: str) -> None:
        """Log whether it answers reads: one line for each change, but not more often than `LOG_PAUSE_SECONDS`."""
        now = time.monotonic()
        if usable is self._told_usable or now - self._told_at < LOG_PAUSE_SECONDS:
            return
        self._told_usable, self._told_at = usable, now
        if usable:
            log.info("replica-used", **details)
        else:
            log.warning("replica-not-used", **details, consequence="the primary answers all reads")
