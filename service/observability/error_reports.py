"""Reports of errors to Sentry.

Only a process that has a DSN imports the SDK, which takes 40 to 60 ms of the start and 5 MB.
"""

import sys
from typing import Any


def start(dsn: str | None, environment: str, release: str) -> None:
    """Start to report the errors of this process to `dsn`. Without a `dsn`, do nothing.

    Call it in each process, before the application is created. Raises `sentry_sdk.utils.BadDsn` for a malformed `dsn`.
    """
    if dsn:
        from service.observability import sentry  # noqa: PLC0415 - imports the SDK

        sentry.start(dsn, environment, release)


def report(error: BaseException | None) -> None:
    """Report an error, if reports were started."""
    sdk = _started_sdk()
    if sdk is not None:
        sdk.capture_exception(error)


def flush(seconds: float) -> None:
    """Wait until the reports so far are sent, at most this long."""
    sdk = _started_sdk()
    if sdk is not None:
        sdk.flush(timeout=seconds)


def _started_sdk() -> Any:
    sdk = sys.modules.get("sentry_sdk")
    return sdk if sdk is not None and sdk.get_client().is_active() else None
