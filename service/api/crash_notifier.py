"""Notify operators of crashes. It runs in the background: no response waits for it or fails because of it."""

import asyncio
import contextlib
import traceback
from dataclasses import dataclass
from pathlib import Path

import structlog

from service.database.errors import DatabaseError
from service.database.fault import fault_of
from service.database.pool import Database
from service.storage.notifications import APPLICATION_CRASH, Notification, count_notification

# Interval between two writes, and before a failed write is retried.
PAUSE_SECONDS = 1.0

# More causes than this at one time are one fault with many symptoms.
MAX_CAUSES = 100

_PACKAGE = Path(__file__).parents[1]

log = structlog.get_logger()


@dataclass(slots=True)
class _Crashes:
    """Crashes of one cause that are not written yet: a notification about the first one, and their number."""

    notification: Notification
    count: int


class CrashNotifier:
    """Counts crashes by cause and writes the counts to the database as soon as it can be reached."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, _Crashes] = {}
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def crashed(self, error: BaseException, request_id: str) -> None:
        """Count the crash of a request that `error` caused. Returns at once."""
        cause = cause_of(error)
        known = self._waiting.get(cause)
        if known is not None:
            known.count += 1
        elif len(self._waiting) < MAX_CAUSES:
            message = f"A request crashed: {cause}."
            self._waiting[cause] = _Crashes(Notification(APPLICATION_CRASH, message, request_id, {"cause": cause}), 1)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            try:
                await self._write_once()
            except DatabaseError as error:
                log.warning("crashes-not-notified", causes=len(self._waiting), reason=str(error))
            if self._closing.is_set():
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS):
                    await self._closing.wait()

    async def _write_once(self) -> None:
        for cause, crashes in list(self._waiting.items()):
            count = crashes.count
            await count_notification(self._database, crashes.notification, cause, count)
            crashes.count -= count
            if not crashes.count:
                del self._waiting[cause]

    async def close(self) -> None:
        """Make one last attempt to write."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=PAUSE_SECONDS)
            self._task.cancel()


def cause_of(error: BaseException) -> str:
    """The cause by which crashes are counted: the class of the error, what PostgreSQL reported, and the place.

    The place is the innermost function of ours outside `database`, where all its errors are raised. The cause never
    contains the text of the error, which may contain data of a caller.
    """
    name = " ".join([type(error).__name__, *map(str, filter(None, [fault_of(error)]))])
    places = [
        f"{path.relative_to(_PACKAGE.parent).as_posix()} in {frame.f_code.co_name}"
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if (path := Path(frame.f_code.co_filename)).is_relative_to(_PACKAGE)
        and not (path.is_relative_to(_PACKAGE / "database") and isinstance(error, DatabaseError))
    ]
    return f"{name} at {places[-1]}" if places else name
