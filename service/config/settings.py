"""All settings as one frozen dataclass, and `load_config`, which reads and validates them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from service.config.database_url import parse_database_url
from service.config.loader import ConfigError, build, read_layers
from service.config.sections import (
    ConsoleConfig,
    DatabaseConfig,
    LoggingConfig,
    MandrillConfig,
    RegistryConfig,
    RequirementsConfig,
    RetentionConfig,
    SentryConfig,
    ServerConfig,
    SessionsConfig,
)


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, validated. `data_folder` holds the data of the embedded PostgreSQL."""

    server: ServerConfig
    console: ConsoleConfig
    database: DatabaseConfig
    associations: Mapping[str, str]
    mandrill: MandrillConfig
    requirements: RequirementsConfig
    sessions: SessionsConfig
    registry: RegistryConfig
    retention: RetentionConfig
    logging: LoggingConfig
    sentry: SentryConfig
    data_folder: Path

    @property
    def association_tables(self) -> Mapping[str, str]:
        """The table of each association type as schema.table, for use in SQL.

        A name with its schema cannot be taken for a part of a statement (a CTE) or a table of another schema.
        """
        return {
            name: table if "." in table else f"{self.database.schema}.{table}"
            for name, table in self.associations.items()
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear in logs or error reports."""
        primary, replica = self.database.url, self.database.replica_url
        passwords = (
            *(parse_database_url(primary).secrets if primary else ()),
            *(parse_database_url(replica, of_standby=True).secrets if replica else ()),
        )
        others = (self.sentry.dsn, self.console.password, self.mandrill.api_key)
        return tuple(secret for secret in (*passwords, *others) if secret)


# Upper limit of drain_seconds + shutdown_seconds. `serve` stops within 12 s: the other 2 s are for closing connections
# and for stopping the embedded PostgreSQL.
MAX_STOP_SECONDS = 10.0

# A worker has at most 7 + 2 + 1 + 1 connections: pool, read pool, batch pool, registry. With 4 workers, twice that
# while workers are being replaced, and 4 for the console, that is 92: below the 97 that PostgreSQL leaves to ordinary
# roles by default.
MAX_DEFAULT_WORKERS = 4

SHORT_NAMES = {
    "HOST": ("server", "host"),
    "PORT": ("server", "port"),
    "WEB_CONCURRENCY": ("server", "workers"),
    "DATABASE_URL": ("database", "url"),
    "DATABASE_REPLICA_URL": ("database", "replica_url"),
    "SENTRY_DSN": ("sentry", "dsn"),
    "LOG_LEVEL": ("logging", "level"),
}


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Return the settings from the shipped defaults, the file at `path`, and `environ`. Later sources override earlier.

    Without `path`, `config.yaml` in the current folder is read if it exists. Raises `ConfigError`; its message names
    the settings at fault.
    """
    chosen = path or Path("config.yaml")
    if path is not None and not path.is_file():
        raise ConfigError(f"{path}: no such file")
    values, sources = read_layers(Config, chosen if chosen.is_file() else None, environ, SHORT_NAMES)
    server = values.get("server")
    if isinstance(server, dict) and server.get("workers") is None:
        server["workers"] = default_workers()
    if "data_folder" in values:
        raise ConfigError("data_folder: unknown field")
    config = build(Config, values | {"data_folder": chosen.absolute().parent / ".data"}, sources)
    _check_time_limits(config)
    _check_replica(config.database)
    _check_association_tables(config.associations)
    return config


def default_workers() -> int:
    """Return one worker for each CPU core this process may use, at most `MAX_DEFAULT_WORKERS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_DEFAULT_WORKERS)


def _check_association_tables(associations: Mapping[str, str]) -> None:
    for name, table in associations.items():
        parts = table.split(".")
        if len(parts) > 2 or not all(parts) or "\0" in table:  # noqa: PLR2004 - schema and table
            raise ConfigError(f"associations.{name}: must be a table, or schema.table")


def _check_replica(database: DatabaseConfig) -> None:
    if database.replica_url is None:
        return
    if database.url is None:
        raise ConfigError("database.replica_url: needs database.url")
    if database.distributed:
        raise ConfigError("database.replica_url: cannot be used with database.distributed: it has several primaries")


def _check_time_limits(config: Config) -> None:
    """Raise `ConfigError` unless each timeout is shorter than the one around it, and a stop is short enough.

    PostgreSQL must give up before the client does: only its response says whether a statement was carried out.
    """
    limits = (
        ("database.lock_timeout_seconds", config.database.lock_timeout_seconds),
        ("database.statement_timeout_seconds", config.database.statement_timeout_seconds),
        ("server.request_timeout_seconds", config.server.request_timeout_seconds),
    )
    for (inner, shorter), (outer, longer) in pairwise(limits):
        if shorter >= longer:
            raise ConfigError(f"{inner}: must be less than {outer} ({longer:g})")
    stop = config.server.drain_seconds + config.server.shutdown_seconds
    if stop > MAX_STOP_SECONDS:
        raise ConfigError(
            f"server.drain_seconds: must be at most {MAX_STOP_SECONDS:g} together with server.shutdown_seconds, "
            f"not {stop:g}"
        )
