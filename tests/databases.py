"""Databases for tests: clones of a migrated template, emptied and given out again.

Cloning and dropping a database costs about ten times as much as emptying it. No test can influence the next one:
a returned database gets a new name, so that nothing that still runs can connect to it, and it is dropped
unless its schema, settings and seed rows are exactly those of a new clone.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator

import asyncpg

# initdb makes the objects with oids below 16384. Every change of an object's definition, owner or grants writes a new
# row version, with another xmin. TRUNCATE does so in pg_class: `_clean` takes the fingerprint again after it.
SCHEMA = """
SELECT md5(string_agg(entry, ',' ORDER BY entry)) FROM (
    SELECT concat_ws(' ', 'class', oid, xmin) FROM pg_class WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'column', attrelid, attnum, xmin) FROM pg_attribute
        WHERE attrelid >= 16384
    UNION ALL SELECT concat_ws(' ', 'index', indexrelid, xmin) FROM pg_index WHERE indexrelid >= 16384
    UNION ALL SELECT concat_ws(' ', 'constraint', oid, xmin) FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'default', oid, xmin) FROM pg_attrdef
    UNION ALL SELECT concat_ws(' ', 'trigger', oid, xmin) FROM pg_trigger
    UNION ALL SELECT concat_ws(' ', 'rule', oid, xmin) FROM pg_rewrite WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'policy', oid, xmin) FROM pg_policy
    UNION ALL SELECT concat_ws(' ', 'sequence', seqrelid, xmin) FROM pg_sequence
    UNION ALL SELECT concat_ws(' ', 'function', oid, xmin) FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'type', oid, xmin) FROM pg_type WHERE oid >= 16384
    UNION ALL SELECT concat_ws(' ', 'namespace', oid, xmin) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT concat_ws(' ', 'extension', oid, xmin) FROM pg_extension
    UNION ALL SELECT concat_ws(' ', 'event trigger', oid, xmin) FROM pg_event_trigger
    UNION ALL SELECT concat_ws(' ', 'default grants', oid, xmin) FROM pg_default_acl
    UNION ALL SELECT concat_ws(' ', 'publication', oid, xmin) FROM pg_publication
    UNION ALL SELECT concat_ws(' ', 'large object', oid, xmin) FROM pg_largeobject_metadata
    UNION ALL SELECT concat_ws(' ', 'setting', setdatabase, setrole, xmin) FROM pg_db_role_setting
    UNION ALL SELECT concat_ws(' ', 'database', datdba, datallowconn, datconnlimit, datacl) FROM pg_database
        WHERE datname = current_database()
) AS entries (entry)
"""

TABLES = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname
"""

LARGER = "SELECT name FROM unnest($1::text[]) AS name WHERE pg_relation_size(name::regclass) > $2"

# DELETE costs much less than TRUNCATE, which makes new files. Only TRUNCATE keeps rows in the order of their insertion
# on more than one page.
PAGE_BYTES = 8192
WITHOUT_TRIGGERS = "SET session_replication_role = replica"

# A sequence that was never used has no last value.
SEQUENCES = """
SELECT seqrelid::regclass::text, coalesce(pg_sequence_last_value(seqrelid), seqstart),
       pg_sequence_last_value(seqrelid) IS NOT NULL
FROM pg_sequence
"""
# The driver knows text[]. In each connection it asks the server about other arrays, which takes longer than the rest.
RESTART = """
SELECT setval(name::regclass, value, used)
FROM unnest($1::text[], $2::text[]::bigint[], $3::text[]::bool[]) AS s (name, value, used)
WHERE pg_sequence_last_value(name::regclass) IS DISTINCT FROM CASE WHEN used THEN value END
"""

OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
TERMINATE = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1"

# As long as DROP DATABASE WITH (FORCE) waits.
TERMINATE_SECONDS = 5.0


def on_database(server_url: str, name: str) -> str:
    """The URL of another database of the same server."""
    address, _, query = server_url.partition("?")
    return f"{address.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection, closed at the end."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def new_database(server_url: str, template: str = "template1") -> AsyncIterator[str]:
    """The URL of a database cloned from `template`, by default an empty one; dropped at the end."""
    name = _new_name()
    async with connected(server_url) as server:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield on_database(server_url, name)
    finally:
        async with connected(server_url) as server:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _new_name() -> str:
    return f"test_{secrets.token_hex(6)}"


class ReusedDatabase:
    """Gives out one database at a time: the clone of a template, emptied between uses."""

    def __init__(self, server_url: str, server: asyncpg.Connection, template: str) -> None:
        """Use `server`, a connection to another database of the same server."""
        self._server_url = server_url
        self._server = server
        self._template = template
        self._name: str | None = None
        self._schema: str | None = None
        self._seeds: dict[str, str] = {}
        self._tables: list[str] = []
        self._sequences: tuple[list[str], ...] = ()
        self._empty = ""

    async def take(self) -> str:
        """The name of a database that equals the template."""
        if self._name is None:
            self._name = _new_name()
            await self._server.execute(f"CREATE DATABASE {self._name} TEMPLATE {self._template}")
            async with connected(on_database(self._server_url, self._name)) as connection:
                await self._learn(connection)
        return self._name

    async def give_back(self) -> None:
        """Make the database that was taken equal the template again, or drop it."""
        taken, self._name = self._name, None  # so that a database that cannot be cleaned is not given out again
        if taken is None:
            return
        name = await self._renamed(taken)
        async with connected(on_database(self._server_url, name)) as connection:
            clean = await self._clean(connection)
        self._name = name
        if not clean:
            await self.drop()

    async def drop(self) -> None:
        """Drop the database, if there is one."""
        if self._name is not None:
            await self._server.execute(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")
        self._name = None

    async def _renamed(self, name: str) -> str:
        """The new name of the database, once every connection to it has been terminated."""
        await self._server.fetchval(TERMINATE, name)
        deadline = time.monotonic() + TERMINATE_SECONDS
        while await self._server.fetchval(OTHERS, name) and time.monotonic() < deadline:
            await asyncio.sleep(0.001)
            await self._server.fetchval(TERMINATE, name)
        new = _new_name()
        await self._server.execute(f"ALTER DATABASE {name} RENAME TO {new}")
        return new

    async def _learn(self, connection: asyncpg.Connection) -> None:
        """Remember what a new clone is like."""
        tables = [row[0] for row in await connection.fetch(TABLES)]
        self._schema = await connection.fetchval(SCHEMA)
        seeded = await self._larger(connection, tables, 0)
        self._seeds = {table: await _content(connection, table) for table in seeded}
        self._tables = [table for table in tables if table not in self._seeds]
        found = await connection.fetch(SEQUENCES)
        self._sequences = tuple([str(row[column]) for row in found] for column in range(3))
        deletes = [f"DELETE FROM {table}" for table in self._tables]  # noqa: S608 - names of ours
        self._empty = "; ".join([WITHOUT_TRIGGERS, *deletes])

    async def _clean(self, connection: asyncpg.Connection) -> bool:
        """Empty the tables and restart the sequences; false if that does not make a new clone of it."""
        if await connection.fetchval(SCHEMA) != self._schema:
            return False
        if any([await _content(connection, table) != seed for table, seed in self._seeds.items()]):
            return False
        if grown := await self._larger(connection, self._tables, PAGE_BYTES):
            await connection.execute(f"TRUNCATE {', '.join(grown)} CASCADE")
            self._schema = await connection.fetchval(SCHEMA)
        await connection.execute(self._empty)
        await connection.execute(RESTART, *self._sequences)
        return True

    @staticmethod
    async def _larger(connection: asyncpg.Connection, tables: list[str], size: int) -> list[str]:
        """The tables that take more than `size` bytes, counting rows that were deleted or rolled back."""
        found = await connection.fetch(LARGER, tables, size)
        return [row[0] for row in found]


async def _content(connection: asyncpg.Connection, table: str) -> str:
    """A digest of a table's rows."""
    digest = f"SELECT coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '') FROM {table} AS t"  # noqa: S608 - a name of ours
    value: str = await connection.fetchval(digest)
    return value
