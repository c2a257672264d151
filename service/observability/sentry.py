"""What `error_reports` sends to Sentry: no secrets, and no data that a caller sent."""

import re
import sys
from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
import structlog
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.aiohttp import AioHttpIntegration
from sentry_sdk.integrations.asyncpg import AsyncPGIntegration
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.modules import ModulesIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration

from service.observability.secrets import plain

if TYPE_CHECKING:
    from sentry_sdk.transport import Transport
    from sentry_sdk.types import Breadcrumb, BreadcrumbHint, Event, Hint

_REQUEST_PARTS: Final = {"method", "url"}
_HEADERS: Final = {"content-type", "content-length", "user-agent", "x-request-id", "host"}
_CALLER_DATA: Final = {
    "query_string",
    "http.query",
    "url.query",
    "http.fragment",
    "cookies",
    "params",
    "db.params",
}

_LIMIT: Final = 32 * 1024
_DEPTH: Final = 32

_QUERY = re.compile(r"(\w+://[^\s?#]*)[?#]\S*")
# From here on, messages of PostgreSQL and asyncpg contain values.
_SQL_VALUES = re.compile(
    r"(DETAIL:|invalid input for query argument \$\d+:|invalid input syntax for [^:]*:).*", re.DOTALL
)


def start(
    dsn: str,
    environment: str,
    release: str,
    *,
    transport: "Transport | type[Transport] | None" = None,
) -> None:
    """Start to report unhandled and captured errors of this process to `dsn`.

    `transport` replaces the HTTPS transport. Errors that libraries log are reported too; the service's own log lines
    are not. Raises `sentry_sdk.utils.BadDsn` for a malformed `dsn`.
    """
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=release,
        transport=transport,
        before_send=before_send,
        before_send_transaction=before_send_transaction,
        before_breadcrumb=before_breadcrumb,
        # Personal data is omitted by default; send_default_pii, which says so, is deprecated.
        include_local_variables=False,
        max_request_body_size="never",
        # Send only errors: no session counts, no client reports, no tracing headers on outgoing requests.
        auto_session_tracking=False,
        send_client_reports=False,
        enable_metrics=False,
        enable_logs=False,
        spotlight=False,
        trace_propagation_targets=[],
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=_integrations(),
    )


def _integrations() -> list[Integration]:
    # An explicit list: the default one sends the command line and depends on the installed packages.
    return [
        AioHttpIntegration(transaction_style="method_and_path_pattern"),
        AsyncPGIntegration(record_params=False),
        AtexitIntegration(callback=_flush_quietly),
        DedupeIntegration(),
        ExcepthookIntegration(),
        LoggingIntegration(capture_sentry_logs=False),
        ModulesIntegration(),
        ThreadingIntegration(propagate_scope=True),
    ]


def before_send(event: "Event", hint: "Hint") -> "Event | None":  # noqa: ARG001  # the SDK passes both
    """Return a copy of `event` without secrets, request data and SQL values, tagged with the request id."""
    cleaned: Any = {name: _clean(value) for name, value in event.items()}
    if "request" in cleaned:
        cleaned["request"] = _request(cleaned["request"])
    cleaned.get("logentry", {}).pop("params", None)
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id is not None:
        cleaned["tags"] = {**(cleaned.get("tags") or {}), "request_id": _clean(request_id)}
    return cleaned  # type: ignore[no-any-return]  # with the keys of `event`


def before_send_transaction(event: "Event", hint: "Hint") -> "Event | None":
    """Return a copy of a transaction, including its spans, cleaned like an event."""
    return before_send(event, hint)


def before_breadcrumb(crumb: "Breadcrumb", hint: "BreadcrumbHint") -> "Breadcrumb | None":  # noqa: ARG001  # as above
    """Return a copy of `crumb` without secrets, query strings or SQL values."""
    return {name: value if name == "timestamp" else _clean(value) for name, value in crumb.items()}


def _request(request: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in request.items() if name in _REQUEST_PARTS}
    headers = request.get("headers") or {}
    return kept | {"headers": {name: value for name, value in headers.items() if name.lower() in _HEADERS}}


def _clean(value: object) -> Any:
    return _remove_data(plain(value, limit=_LIMIT, depth=_DEPTH, breadth=sys.maxsize))


def _remove_data(value: object) -> object:
    if isinstance(value, str):
        return _QUERY.sub(r"\1", _SQL_VALUES.sub(r"\1 …", value))
    if isinstance(value, list):
        return [_remove_data(item) for item in value]
    if isinstance(value, dict):
        return {name: _remove_data(item) for name, item in value.items() if name not in _CALLER_DATA}
    return value


def _flush_quietly(pending: int, timeout: float) -> None:
    """Replace the SDK's message on standard error while it sends its last events."""
