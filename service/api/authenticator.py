"""Letting in the caller behind a token, and recording that its session was used."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from service.database.batcher import Batcher
from service.database.errors import ConnectionLost, DatabaseError, RetryableError
from service.database.pool import Database
from service.domain.callers import Caller, RoleMissing, Session, TokenLookup, admit
from service.domain.statuses import ApplicationCrash
from service.storage.tokens import find_callers, touch_sessions

log = structlog.get_logger()


class Authenticator:
    """Looks callers up on every request: no verdict is kept, so a revocation counts from the next one."""

    def __init__(self, database: Database, touch_interval: timedelta) -> None:
        self._database = database
        self._touch_interval = touch_interval
        self.look_ups = Batcher(self._find_all)
        self._to_touch: set[int] = set()
        self._touching: asyncio.Task[None] | None = None
        self.touched = 0  # how many uses of sessions were recorded

    @property
    def outstanding(self) -> int:
        """How many callers are being looked up, or wait for it."""
        return self.look_ups.outstanding

    async def look_up(self, token_digest: bytes, deadline: float) -> Caller:
        """The caller whose token has this digest, let in, by `deadline` on the event loop's clock.

        Raises what `admit` raises, or `ApplicationCrash` when the look-up could not be completed in time.
        """
        try:
            try:
                found = await self.look_ups.submit(token_digest, deadline)
            except (ConnectionLost, RetryableError):
                # A pooled connection may have died unnoticed; reading twice does no harm.
                found = await self.look_ups.submit(token_digest, deadline)
        except DatabaseError as error:
            raise ApplicationCrash from error
        return self.admit(found)

    async def _find_all(self, digests: Sequence[bytes]) -> list[TokenLookup]:
        found = await find_callers(self._database, set(digests))
        return [found[token_digest] for token_digest in digests]

    def admit(self, found: TokenLookup) -> Caller:
        """The caller, where its token is good; its session was used. Raises what `callers.admit` raises."""
        try:
            caller = admit(found)
        except RoleMissing as missing:
            self._used(missing.caller, found.now)
            raise
        self._used(caller, found.now)
        return caller

    def _used(self, caller: Caller, now: datetime) -> None:
        if caller.session is not None:
            self.touch(caller.session, now)

    def touch(self, session: Session, now: datetime) -> None:
        """Record in the background that `session` was used at `now`, unless that was done within the interval."""
        if now - session.last_used_at < self._touch_interval:
            return
        self._to_touch.add(session.id)
        if self._touching is None:
            self._touching = asyncio.create_task(self._touch_all())

    async def _touch_all(self) -> None:
        try:
            while self._to_touch:
                session_ids = sorted(self._to_touch)
                self._to_touch.clear()
                self.touched += await touch_sessions(self._database, session_ids, self._touch_interval)
        except DatabaseError as error:
            self._to_touch.clear()
            log.warning("sessions-not-touched", reason=str(error))
        finally:
            self._touching = None

    async def close(self) -> None:
        """Wait for what is under way."""
        await self.look_ups.close()
        if self._touching is not None:
            await self._touching
