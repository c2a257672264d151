"""Authenticate callers: look their tokens up, and record that their sessions were used."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from service.database.batcher import Batcher
from service.database.errors import NOT_OF_A_ROW, ConnectionLost, DatabaseError, RetryableError, retry_pause
from service.database.pool import Database
from service.domain.callers import Caller, Session, TokenLookup, digest, refusal_of
from service.domain.statuses import ApplicationCrash, ClientRequired
from service.domain.views import session_view
from service.storage.tokens import look_up_tokens, touch_sessions

# Limits how many connections of the pool look-ups take that must run alone.
MAX_ALONE = 2

log = structlog.get_logger()


class Authenticator:
    """Looks tokens up on every request. Verdicts are not cached, so that a revocation affects the next request."""

    def __init__(self, database: Database, touch_interval: timedelta) -> None:
        self._database = database
        self._touch_interval = touch_interval
        self.look_ups = Batcher(self._look_up_all)
        self._alone_slots = asyncio.Semaphore(MAX_ALONE)
        self._alone = 0
        self._to_touch: set[int] = set()
        self._touch_task: asyncio.Task[None] | None = None
        self.touched = 0  # how many uses of sessions were recorded

    @property
    def outstanding(self) -> int:
        """How many look-ups are running or waiting."""
        return self.look_ups.outstanding + self._alone

    async def look_up(self, token_digest: bytes, deadline: float) -> TokenLookup:
        """The verdict on a token, by `deadline` on the event loop's clock.

        Raises `ApplicationCrash` if the look-up could not be completed in time.
        """
        try:
            try:
                lookup = await self.look_ups.submit(token_digest, deadline)
            except ConnectionLost:
                # A pooled connection may have been lost without notice. A look-up can be repeated safely.
                lookup = await self.look_ups.submit(token_digest, deadline)
            return await self._look_up_alone(token_digest, deadline) if lookup is None else lookup
        except DatabaseError as error:
            raise ApplicationCrash from error

    async def _look_up_all(self, digests: Sequence[bytes]) -> list[TokenLookup | None]:
        """The verdict on each token. All are None if the statement failed on one of them: look each up alone."""
        try:
            lookups = await look_up_tokens(self._database, set(digests))
        except NOT_OF_A_ROW:
            raise
        except DatabaseError:
            return [None] * len(digests)
        return [lookups[token_digest] for token_digest in digests]

    async def _look_up_alone(self, token_digest: bytes, deadline: float) -> TokenLookup:
        self._alone += 1
        try:
            async with asyncio.timeout_at(deadline):
                return await self._look_up_until_definite(token_digest)
        except TimeoutError as error:
            raise ConnectionLost("time ran out") from error
        finally:
            self._alone -= 1

    async def _look_up_until_definite(self, token_digest: bytes) -> TokenLookup:
        retries = 0
        while True:
            try:
                async with self._alone_slots:
                    return (await look_up_tokens(self._database, [token_digest]))[token_digest]
            except RetryableError as error:
                pause = retry_pause(error, retries)
                if pause is None:
                    raise
            retries += 1
            await asyncio.sleep(pause)

    def touch(self, session: Session, now: datetime) -> None:
        """Record in the background that `session` was used at `now`, at most once per interval."""
        if now - session.last_used_at < self._touch_interval:
            return
        self._to_touch.add(session.id)
        if self._touch_task is None:
            self._touch_task = asyncio.create_task(self._touch_all())

    async def _touch_all(self) -> None:
        try:
            while self._to_touch:
                session_ids = sorted(self._to_touch)
                self._to_touch.clear()
                try:
                    await self._touch_now(session_ids)
                except NOT_OF_A_ROW:
                    raise
                except DatabaseError:
                    await self._touch_one_by_one(session_ids)
        except DatabaseError as error:
            self._to_touch.clear()
            log.warning("sessions-not-touched", reason=str(error))
        finally:
            self._touch_task = None

    async def _touch_now(self, session_ids: Sequence[int]) -> None:
        self.touched += await touch_sessions(self._database, session_ids, self._touch_interval)

    async def _touch_one_by_one(self, session_ids: Sequence[int]) -> None:
        """Touch the sessions after a statement failed on one of them."""
        failed = None
        for session_id in session_ids:
            try:
                await self._touch_now([session_id])
            except NOT_OF_A_ROW:
                raise
            except DatabaseError as error:
                failed = error
        if failed is not None:
            log.warning("sessions-not-touched", reason=str(failed))

    async def close(self) -> None:
        """Wait for running look-ups and touches."""
        await self.look_ups.close()
        if self._touch_task is not None:
            await self._touch_task


class UnverifiedCaller:
    """The caller of one request before its token was judged.

    A `Caller` can only be had from here: by `verify`, which looks the token up, or by `accept`, from the verdict of a
    statement that judged the token itself. Code that takes a `Caller` therefore runs only for valid tokens.
    """

    __slots__ = ("_authenticator", "_deadline", "_session_view", "digest", "token")

    def __init__(self, authenticator: Authenticator, token: str, deadline: float, session_view: str) -> None:
        """`deadline` is on the event loop's clock. `session_view` is the view of the session in client-required."""
        self._authenticator = authenticator
        self._deadline = deadline
        self._session_view = session_view
        self.token = token
        self.digest = digest(token)

    async def verify(self) -> Caller:
        """The caller, after a look-up of its own. Raises what `accept` raises, or `ApplicationCrash`."""
        return self.accept(await self._authenticator.look_up(self.digest, self._deadline))

    def accept(self, lookup: TokenLookup) -> Caller:
        """The caller, if the token is valid. Records the use of the session.

        Raises `InvalidToken`, `SessionExpired` or `ClientRequired`.
        """
        refusal, caller = refusal_of(lookup), lookup.caller
        used = refusal is None or refusal is ClientRequired
        if used and caller.session is not None:
            self._authenticator.touch(caller.session, lookup.now)
        if refusal is ClientRequired:
            raise ClientRequired(views={"session": session_view(caller, self.token, self._session_view)})
        if refusal is not None:
            raise refusal
        return caller
