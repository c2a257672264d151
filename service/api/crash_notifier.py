"""Telling the team of crashes, in the background: no answer waits for it, and none fails by it."""

import asyncio
import contextlib
import traceback
from dataclasses import dataclass
from pathlib import Path

import structlog

from service.database.errors import DatabaseError
from service.database.pool import Database
from service.storage.notifications import APPLICATION_CRASH, Notification, count_notification

# Crashes are written together this often, and written again this long after the database refused them.
PAUSE_SECONDS = 1.0

# More kinds of crash than this at once are one fault that shows in many places.
MAX_CAUSES = 100

_PACKAGE = Path(__file__).parents[1]

log = structlog.get_logger()


@dataclass(slots=True)
class _Crashes:
    """Crashes of one cause that are not written yet: the first one's request, and how many there were."""

    notification: Notification
    count: int


class CrashNotifier:
    """Counts crashes by their cause and writes them to the database, now or when it is back."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, _Crashes] = {}
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def crashed(self, error: BaseException, request_id: str) -> None:
        """Have the crash of a request by `error` notified. Returns at once."""
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
        """Write what waits, if the database takes it at once."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=PAUSE_SECONDS)
            self._task.cancel()


def cause_of(error: BaseException) -> str:
    """What crashes are counted by: the kind of error, and the innermost place in our code. Never the error's text."""
    name = type(error).__name__
    places = [
        f"{path.relative_to(_PACKAGE.parent).as_posix()} in {frame.f_code.co_name}"
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if (path := Path(frame.f_code.co_filename)).is_relative_to(_PACKAGE)
    ]
    return f"{name} at {places[-1]}" if places else name
