"""All settings as frozen dataclasses, and `load_config`, which reads and validates them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, unquote, urlsplit

from service.config.loader import ConfigError, build, read_layers
from service.config.validators import (
    AtLeastOne,
    BaseUrl,
    Days,
    EmailAddress,
    LogFormat,
    LogLevel,
    PasswordLength,
    PollSeconds,
    Port,
    PositiveSeconds,
    Seconds,
    Visibility,
    postgres_url,
    sentry_dsn,
    unique_email_addresses,
)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The API listener, the workers, and the limits of one request."""

    host: str
    port: Annotated[int, Port]
    workers: Annotated[int, AtLeastOne]
    max_body_bytes: Annotated[int, AtLeastOne]
    body_timeout_seconds: Annotated[float, PositiveSeconds]
    request_timeout_seconds: Annotated[float, PositiveSeconds]
    max_waiting: Annotated[int, AtLeastOne]
    keepalive_seconds: Annotated[float, PositiveSeconds]
    drain_seconds: Annotated[float, Seconds]
    shutdown_seconds: Annotated[float, PositiveSeconds]


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """The internal listener, which serves the console and the metrics."""

    host: str
    port: Annotated[int, Port]
    password: Annotated[str | None, PasswordLength] = field(repr=False)
    allowed_hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """The PostgreSQL connection, the pool sizes and the timeouts."""

    url: Annotated[str | None, postgres_url] = field(repr=False)
    pool_size: Annotated[int, AtLeastOne]
    read_pool_size: Annotated[int, AtLeastOne]
    acquire_timeout_seconds: Annotated[float, PositiveSeconds]
    connect_timeout_seconds: Annotated[float, PositiveSeconds]
    lock_timeout_seconds: Annotated[float, PositiveSeconds]
    statement_timeout_seconds: Annotated[float, PositiveSeconds]
    require_durable: bool


@dataclass(frozen=True, slots=True)
class MandrillConfig:
    """E-mails about new requirements, sent through Mandrill."""

    api_key: str | None = field(repr=False)
    recipients: Annotated[tuple[str, ...], unique_email_addresses]
    sender: Annotated[str | None, EmailAddress]
    base_url: Annotated[str, BaseUrl]
    timeout_seconds: Annotated[float, PositiveSeconds]
    max_attempts: Annotated[int, AtLeastOne]
    connections: Annotated[int, AtLeastOne]

    def __post_init__(self) -> None:
        """Raise `ConfigError` if e-mails are enabled without a sender."""
        if self.enabled and self.sender is None:
            raise ConfigError("mandrill.sender: is required when api_key and recipients are set")

    @property
    def enabled(self) -> bool:
        """Whether e-mails are sent."""
        return bool(self.api_key and self.recipients)


@dataclass(frozen=True, slots=True)
class RequirementsConfig:
    """Who sees which requirements."""

    clients_see: Annotated[str, Visibility]


@dataclass(frozen=True, slots=True)
class SessionsConfig:
    """Updates of a session's `last_used_at`."""

    touch_interval_seconds: Annotated[float, Seconds]


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """Reloading of the registry of services and routes."""

    poll_seconds: Annotated[float, PollSeconds]


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """Age at which `purge` deletes records, in days."""

    expired_sessions_days: Annotated[int, Days]
    sent_emails_days: Annotated[int, Days]
    notifications_days: Annotated[int, Days]


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    """Log level and format."""

    level: Annotated[str, LogLevel]
    format: Annotated[str, LogFormat]


@dataclass(frozen=True, slots=True)
class SentryConfig:
    """Reporting of unexpected errors to Sentry."""

    dsn: Annotated[str | None, sentry_dsn] = field(repr=False)
    environment: str


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
    def secrets(self) -> tuple[str, ...]:
        """Values that must not appear in logs or error reports."""
        parts = urlsplit(self.database.url or "")
        # Both the quoted and the unquoted form: either may appear in a message. asyncpg also reads `?password=`.
        passwords = [parts.password or "", unquote(parts.password or ""), *parse_qs(parts.query).get("password", [])]
        others = (self.sentry.dsn, self.console.password, self.mandrill.api_key)
        return tuple(secret for secret in (*passwords, *others) if secret)


# Upper limit of drain_seconds + shutdown_seconds. `serve` stops within 12 s: the other 2 s are for closing connections
# and for stopping the embedded PostgreSQL.
MAX_STOP_SECONDS = 10.0

# A worker has at most 8 + 2 + 1 connections: pool, read pool, registry. With 4 workers, twice that while workers are
# being replaced, and 4 for the console, that is 92: below the 97 that PostgreSQL leaves to ordinary roles by default.
MAX_DEFAULT_WORKERS = 4

SHORT_NAMES = {
    "HOST": ("server", "host"),
    "PORT": ("server", "port"),
    "WEB_CONCURRENCY": ("server", "workers"),
    "DATABASE_URL": ("database", "url"),
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
    values = read_layers(Config, chosen if chosen.is_file() else None, environ, SHORT_NAMES)
    server = values.get("server")
    if isinstance(server, dict) and server.get("workers") is None:
        server["workers"] = default_workers()
    if "data_folder" in values:
        raise ConfigError("data_folder: unknown field")
    config = build(Config, values | {"data_folder": chosen.absolute().parent / ".data"})
    _check_time_limits(config)
    return config


def default_workers() -> int:
    """Return one worker for each CPU core this process may use, at most `MAX_DEFAULT_WORKERS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_DEFAULT_WORKERS)


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
