"""The settings: what there is, what fits, and frozen values of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, unquote, urlsplit

from marshmallow import ValidationError, validate
from sentry_sdk.utils import BadDsn, Dsn

from service.config.loader import ConfigError, build, layered

# What a person can mean: the upper ends are a day, and a century.
Positive = validate.Range(min=0, max=86_400, min_inclusive=False)
Days = validate.Range(min=0, max=36_500)
Port = validate.Range(min=0, max=65535)
AtLeastOne = validate.Range(min=1)
LongEnough = validate.Length(min=12)
# No character that could end a header, or make a list or a name of one address.
Address = validate.Regexp(
    r"[^\s@<>,;:\"\x00-\x1f\x7f]+@[^\s@<>,;:\"\x00-\x1f\x7f]+\Z", error="Must be an e-mail address."
)
BaseUrl = validate.Regexp(r"https?://[^\s?#@]+\Z", error="Must be an address such as https://mandrillapp.com/api/1.0.")


def _addresses(values: list[str]) -> None:
    """Raise `ValidationError` unless `values` are e-mail addresses, each of them once."""
    for value in values:
        Address(value)
    if len({value.lower() for value in values}) < len(values):
        raise ValidationError("Must name each address once.")


# What these two say never repeats the text: it may hold a password.
def _postgres_url(text: str) -> None:
    fault = ValidationError("Must be an address such as postgresql://user:password@host:5432/name.")
    try:
        parts = urlsplit(text)
        ports = [urlsplit(f"//{host}").port for host in parts.netloc.rpartition("@")[2].split(",")]
    except ValueError:
        raise fault from None
    if parts.scheme not in ("postgresql", "postgres") or 0 in ports:
        raise fault


def _sentry_dsn(text: str) -> None:
    try:
        Dsn(text)
    except (BadDsn, ValueError):
        raise ValidationError("Must be a DSN as Sentry shows it.") from None


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The API's listener and the limits of one request."""

    host: str
    port: Annotated[int, Port]
    workers: Annotated[int, AtLeastOne]
    max_body_bytes: Annotated[int, AtLeastOne]
    body_timeout_seconds: Annotated[float, Positive]
    request_timeout_seconds: Annotated[float, Positive]
    max_waiting: Annotated[int, AtLeastOne]
    keepalive_seconds: Annotated[float, Positive]
    drain_seconds: Annotated[float, validate.Range(min=0, max=86_400)]
    shutdown_seconds: Annotated[float, Positive]


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """The internal listener."""

    host: str
    port: Annotated[int, Port]
    password: Annotated[str | None, LongEnough] = field(repr=False)
    allowed_hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """The PostgreSQL that is written to, and how long each step may take."""

    url: Annotated[str | None, _postgres_url] = field(repr=False)
    pool_size: Annotated[int, AtLeastOne]
    acquire_timeout_seconds: Annotated[float, Positive]
    connect_timeout_seconds: Annotated[float, Positive]
    lock_timeout_seconds: Annotated[float, Positive]
    statement_timeout_seconds: Annotated[float, Positive]
    require_durable: bool


@dataclass(frozen=True, slots=True)
class MandrillConfig:
    """How people are told of new requirements by e-mail."""

    api_key: str | None = field(repr=False)
    recipients: Annotated[tuple[str, ...], _addresses]
    sender: Annotated[str | None, Address]
    base_url: Annotated[str, BaseUrl]
    timeout_seconds: Annotated[float, Positive]
    max_attempts: Annotated[int, AtLeastOne]
    connections: Annotated[int, AtLeastOne]

    def __post_init__(self) -> None:
        """Raise `ConfigError` for settings that every single e-mail would fail by."""
        if self.enabled and self.sender is None:
            raise ConfigError("mandrill.sender: is required where api_key and recipients are set")

    @property
    def enabled(self) -> bool:
        """Whether e-mails are sent at all."""
        return bool(self.api_key and self.recipients)


@dataclass(frozen=True, slots=True)
class SessionsConfig:
    """How the use of a session is recorded."""

    touch_interval_seconds: Annotated[float, validate.Range(min=0, max=86_400)]


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """How the records of services and routes are followed."""

    poll_seconds: Annotated[float, validate.Range(min=0, max=4, min_inclusive=False)]


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """How old a record that has served its purpose may get."""

    expired_sessions_days: Annotated[int, Days]
    sent_emails_days: Annotated[int, Days]
    notifications_days: Annotated[int, Days]


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    """What is logged, and in which form."""

    level: Annotated[str, validate.OneOf(["debug", "info", "warning", "error"])]
    format: Annotated[str, validate.OneOf(["auto", "json", "console"])]


@dataclass(frozen=True, slots=True)
class SentryConfig:
    """Where unforeseen errors are reported."""

    dsn: Annotated[str | None, _sentry_dsn] = field(repr=False)
    environment: str


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting, validated. `data_folder` is where an embedded PostgreSQL keeps its data."""

    server: ServerConfig
    console: ConsoleConfig
    database: DatabaseConfig
    associations: Mapping[str, str]
    mandrill: MandrillConfig
    sessions: SessionsConfig
    registry: RegistryConfig
    retention: RetentionConfig
    logging: LoggingConfig
    sentry: SentryConfig
    data_folder: Path

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be seen in any log line or report."""
        parts = urlsplit(self.database.url or "")
        # The driver tells neither form from the other, and takes a password from the query too.
        passwords = [parts.password or "", unquote(parts.password or ""), *parse_qs(parts.query).get("password", [])]
        named = (self.sentry.dsn, self.console.password, self.mandrill.api_key)
        return tuple(secret for secret in (*passwords, *named) if secret)


# All of `serve` ends within 12 s: what is left is for closing connections, and for the embedded PostgreSQL to stop.
LONGEST_STOP_SECONDS = 10.0

# With twice their pools of 8 while they are replaced, and the rest, these stay below 100 connections.
MOST_USUAL_WORKERS = 4

SHORT_NAMES = {
    "HOST": ("server", "host"),
    "PORT": ("server", "port"),
    "WEB_CONCURRENCY": ("server", "workers"),
    "DATABASE_URL": ("database", "url"),
    "SENTRY_DSN": ("sentry", "dsn"),
    "LOG_LEVEL": ("logging", "level"),
}


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The settings from the shipped defaults, then the file at `path`, then `environ`.

    Without a path `config.yaml` in the current folder is read where there is one.
    Raises `ConfigError`, whose message says what to mend.
    """
    chosen = path or Path("config.yaml")
    if path is not None and not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    values = layered(Config, chosen if chosen.is_file() else None, environ, SHORT_NAMES)
    server = values.get("server")
    if isinstance(server, dict) and server.get("workers") is None:
        server["workers"] = usual_workers()
    if "data_folder" in values:
        raise ConfigError("data_folder: unknown field")
    config = build(Config, values | {"data_folder": chosen.absolute().parent / ".data"})
    _check_time_limits(config)
    return config


def usual_workers() -> int:
    """One worker for each core that this process may use, within what a PostgreSQL as shipped has connections for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_USUAL_WORKERS)


def _check_time_limits(config: Config) -> None:
    """The server has to give up before the client does: only what it says about a statement is certain."""
    limits = (
        ("database.lock_timeout_seconds", config.database.lock_timeout_seconds),
        ("database.statement_timeout_seconds", config.database.statement_timeout_seconds),
        ("server.request_timeout_seconds", config.server.request_timeout_seconds),
    )
    for (inner, shorter), (outer, longer) in pairwise(limits):
        if shorter >= longer:
            raise ConfigError(f"{inner}: must be less than {outer} ({longer:g})")
    stop = config.server.drain_seconds + config.server.shutdown_seconds
    if stop > LONGEST_STOP_SECONDS:
        raise ConfigError(
            f"server.drain_seconds: must be at most {LONGEST_STOP_SECONDS:g} together with server.shutdown_seconds, "
            f"not {stop:g}"
        )
