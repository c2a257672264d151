"""The sections of the settings, as frozen dataclasses."""

from dataclasses import dataclass, field
from typing import Annotated

from service.config.loader import ConfigError
from service.config.validators import (
    AtLeastOne,
    BaseUrl,
    Days,
    EmailAddress,
    LagSeconds,
    LogFormat,
    PasswordLength,
    PollSeconds,
    Port,
    PositiveSeconds,
    Schema,
    Seconds,
    Visibility,
    log_level,
    postgres_url,
    sentry_dsn,
    standbys_url,
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

    @property
    def leave_seconds(self) -> float:
        """How long a worker that SIGHUP has replaced answers on the connections that it has.

        It closes no idle connection sooner than without a restart: on a busy machine, a caller's next request may come
        much later than usual, and a request on a closed connection fails.
        """
        return max(self.keepalive_seconds, self.drain_seconds)


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
    schema: Annotated[str, Schema]
    pool_size: Annotated[int, AtLeastOne]
    read_pool_size: Annotated[int, AtLeastOne]
    batch_pool_size: Annotated[int, AtLeastOne]
    acquire_timeout_seconds: Annotated[float, PositiveSeconds]
    connect_timeout_seconds: Annotated[float, PositiveSeconds]
    lock_timeout_seconds: Annotated[float, PositiveSeconds]
    statement_timeout_seconds: Annotated[float, PositiveSeconds]
    require_durable: bool
    replica_url: Annotated[str | None, standbys_url] = field(repr=False)
    replica_max_lag_seconds: Annotated[float, LagSeconds]
    distributed: bool


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
    changes_days: Annotated[int, Days]


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    """Log level and format."""

    level: Annotated[str, log_level]
    format: Annotated[str, LogFormat]


@dataclass(frozen=True, slots=True)
class SentryConfig:
    """Reporting of unexpected errors to Sentry."""

    dsn: Annotated[str | None, sentry_dsn] = field(repr=False)
    environment: str
