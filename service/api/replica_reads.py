"""The reads that the replica answers."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from service.api.action import Action
from service.api.authenticator import Authenticator
from service.database.replica import Replica
from service.domain.callers import TokenLookup


class ReplicaReads:
    """Says which reads the replica may answer, looks their tokens up there, and counts who answered."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        # It only looks up: the one for the primary accepts callers, and records there that their sessions were used.
        self._authenticator = Authenticator(replica.look_ups, timedelta())
        self.answered = {"primary": 0, "replica": 0}

    @property
    def outstanding(self) -> int:
        """Number of statements and look-ups that are running or waiting."""
        return self._authenticator.outstanding + self.replica.database.outstanding

    def may_answer(self, action: Action, params: Mapping[str, Any]) -> bool:
        """Whether the replica may answer now, by what is not checked yet: invalid params are refused later."""
        return action.reads_replicas and params.get("fresh") in (None, False) and self.replica.usable

    async def look_up(self, token_digest: bytes, deadline: float) -> TokenLookup:
        """The replica's verdict on a token. Raises `ApplicationCrash` if it has none."""
        return await self._authenticator.look_up(token_digest, deadline)

    async def close(self) -> None:
        """Wait for running look-ups."""
        await self._authenticator.close()
