"""The events of the change feed, replayed, are the table, although replies are lost and calls are repeated."""

from typing import Any

import orjson
import pytest

from tests.api.batches import CREATE_MANY, DESTROY_MANY, SYNC, item, records_of
from tests.api.exchange import IDEMPOTENCY_KEY
from tests.api.feed import DESTROY, UPDATE, pages, post
from tests.conftest import Client
from tests.factories import CREATE, AppRecord, Records
from tests.proxy import Proxy
from tests.tools.ledger.follower import ROWS, Replay

COMMIT = "COMMIT\0"


class Follower:
    """Follows the feed with one cursor, and replays it."""

    def __init__(self, client: Client, token: str) -> None:
        self.replay = Replay()
        self._client, self._token = client, token
        self._cursor: str | None = None

    async def follow(self) -> int:
        """Replay what is new; return how many events these were."""
        before = self.replay.events
        async for data in pages(self._client, self._token, after=self._cursor):
            for event in data["results"]:
                self.replay.apply(event)
            self._cursor = data["next"]
        return self.replay.events - before


@pytest.mark.parametrize("keyed", [False, True])
async def test_lost_replies_and_repeated_calls(
    proxied_client: Client, proxy: Proxy, records: Records, application: AppRecord, user_id: int, *, keyed: bool
) -> None:
    """Each change is in the feed once, also if the reply to its commit was lost and the call was repeated."""
    client, token = proxied_client, application.token
    follower = Follower(client, token)
    numbers: list[int] = []

    async def lose(path: str, events: int, *, alone: bool = True, **sent: Any) -> Any:
        """Lose the reply to the commit of a call, which makes so many changes; repeat it if it has a key."""
        numbers.append(len(numbers))
        name = f"lost-call-{len(numbers)}"
        headers = {"X-Request-ID": name, **({IDEMPOTENCY_KEY: name} if keyed else {})}
        proxy.lose_replies(name if alone or (path != SYNC and not keyed) else COMMIT, 1)
        answer = await post(client, path, token, headers, **sent)
        assert (answer.status, proxy.lost) == ("action-successful", len(numbers)), path
        assert await follower.follow() == events, path
        if keyed:
            assert (await post(client, path, token, headers, **sent)).outcome == "replayed", path
            assert await follower.follow() == 0, path
        return answer

    first = (await lose(CREATE, 1, **item(user_id, "first"))).data
    thing = {"type": "Application", "id": application.id}
    made = records_of(await lose(CREATE_MANY, 3, alone=False, requirements=[item(user_id, requireable=thing)] * 3))
    await lose(UPDATE, 1, id=first["id"], value="second")
    listed = [{"required": first["required"], "key": key, "value": "synced"} for key in ("k", "new")]
    synced = await lose(SYNC, 4, alone=False, requireable=thing, requirements=listed)
    assert [one["change"] for one in synced.data["results"]] == ["updated", "created", "destroyed", "destroyed"]
    await lose(DESTROY_MANY, 1, alone=False, ids=[made[0]["id"]])
    await lose(DESTROY, 1, id=first["id"])
    follower.replay.compare({row["id"]: orjson.loads(row["record"]) for row in await records.connection.fetch(ROWS)})
    assert (follower.replay.problems, len(follower.replay.rows)) == ([], 1)
