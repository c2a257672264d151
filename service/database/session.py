"""The PostgreSQL settings of our connections. They override those of the server, the database and the role."""

from collections.abc import Mapping
from types import MappingProxyType

from service.config import DatabaseConfig
from service.database.queries import QUERIES, quote_identifier, quote_literal

# Planner settings for the statements that write requirements and look up tokens. Each has one good plan, by unique
# indexes, at any table size. Planning a statement again, or scanning a small table, takes several times as long as
# running it.
INDEX_PLANS_ONLY: Mapping[str, str] = MappingProxyType(
    {
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
    }
)

# Settings for Citus. It plans each statement for its parameters, which say what shards it concerns. It keeps its
# connections to the workers, at most one for each shard: opening one takes longer than our statements. It does not hide
# shards: that makes the driver's look-up of types, on every new connection, take seconds.
DISTRIBUTED: Mapping[str, str] = MappingProxyType(
    {
        "plan_cache_mode": "force_custom_plan",
        "citus.max_adaptive_executor_pool_size": "1",
        "citus.max_cached_conns_per_worker": "4",
        "citus.override_table_visibility": "off",
    }
)

# Planner settings for the statements that read. They scan an index in its order, up to a number of rows. A plan that
# reads a whole table costs little while the table is small, and would be kept while it grows.
INDEX_SCANS: Mapping[str, str] = MappingProxyType(
    {"enable_seqscan": "off", "enable_bitmapscan": "off", "max_parallel_workers_per_gather": "0"}
)

# Read by a trigger: the service records its own changes of requirements itself.
ORIGIN: Mapping[str, str] = MappingProxyType({"requirements.origin": "service"})

# Settings that change what a statement means, or how its values are written. Not here: default_transaction_read_only,
# which the service has to notice, and synchronous_commit, which is the operator's choice.
PINNED: Mapping[str, str] = MappingProxyType(
    {
        # An error instead of rows that are silently left out.
        "row_security": "off",
        "default_transaction_isolation": "read committed",
        "transform_null_equals": "off",
        "gin_fuzzy_search_limit": "0",
        "DateStyle": "ISO, MDY",
        "IntervalStyle": "postgres",
        "TimeZone": "UTC",
        "bytea_output": "hex",
        "standard_conforming_strings": "on",
        # An idle connection is kept: one of them only listens.
        "idle_session_timeout": "0",
        # Statements are short and frequent: compiling one takes longer than it saves.
        "jit": "off",
    }
)
# `transaction_timeout` exists from this version on. It would end the connection; statement_timeout only the statement.
TRANSACTION_TIMEOUT_VERSION = 17


def session_settings(settings: DatabaseConfig, statement_seconds: float, server_version: int) -> dict[str, str]:
    """The settings of every connection. `statement_seconds` limits a statement; 0: no limit.

    `server_version` is the major version.
    """
    unlimited = {"transaction_timeout": "0"} if server_version >= TRANSACTION_TIMEOUT_VERSION else {}
    return {
        **PINNED,
        **ORIGIN,
        **unlimited,
        # pg_catalog, which is not named, comes first: nothing can replace a function of PostgreSQL. Tables are created
        # in the first schema that is named.
        "search_path": f"{quote_identifier(settings.schema)}, pg_temp",
        "statement_timeout": milliseconds(statement_seconds),
        "lock_timeout": milliseconds(settings.lock_timeout_seconds),
        "idle_in_transaction_session_timeout": milliseconds(statement_seconds),
    }


def apply_settings(settings: Mapping[str, str]) -> str:
    """The statement that applies `settings` to the session.

    Start-up parameters would not do: a pooler such as PgBouncer refuses them, or does not pass them on.
    """
    calls = (
        QUERIES["set_session_setting"].replace("{name}", quote_literal(name)).replace("{value}", quote_literal(value))
        for name, value in settings.items()
    )
    return ";\n".join(calls)


def milliseconds(seconds: float) -> str:
    """A duration as PostgreSQL takes it. It takes 0 as "no timeout", so less than a millisecond is rounded up."""
    return str(max(1, round(seconds * 1000))) if seconds else "0"
