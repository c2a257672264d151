"""Walks on a replica: only the primary refuses them, and the replica must be usable when their turn comes."""

import asyncio
import math

import pytest

from service.api import keys
from service.storage import requirement_graph
from tests.conftest import Client
from tests.factories import Records
from tests.replica.conftest import Cluster
from tests.replica.reading import PRIMARY, REPLICA, post, server, settled


async def test_the_replica_falls_behind_while_a_walk_waits(client: Client, cluster: Cluster, records: Records) -> None:
    """The primary answers, because the replica may lack what was acknowledged before the call."""
    application = await records.application()
    user_id, _ = await records.user()
    await cluster.caught_up()
    thing = {"type": "User", "id": user_id}
    assert server(await post(client, "closure", application.token, of=thing)) == REPLICA
    assert client.app is not None
    turns = client.app[keys.WALKS]
    async with cluster.cut_off():
        async with turns.turn(math.inf):
            await settled(client)
            walk = asyncio.create_task(post(client, "closure", application.token, of=thing))
            while not turns.waiting:
                await asyncio.sleep(0)
            # Without a connection it cannot confirm that it has what the primary commits.
            await cluster.connection.execute("UPDATE users SET id = id WHERE id = $1", user_id)
            await settled(client, usable=False)
        assert server(await walk) == PRIMARY


# With these, a walk may read one row, or may take no time after its first row.
LIMITS = [{"MORE_ROWS_READ": 1, "ROWS_READ_PER_RESULT": 0}, {"_SHARE_OF_TIME": 0}]


@pytest.mark.parametrize("limits", LIMITS, ids=["rows", "time"])
async def test_only_the_primary_says_that_a_walk_is_too_long(
    patient: Client, cluster: Cluster, records: Records, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:
    """What the replica refuses is asked of the primary, where the rows may no longer exist."""
    for name, value in limits.items():
        monkeypatch.setattr(requirement_graph, name, value)
    application = await records.application()
    first, second, third = [(await records.user())[0] for _ in range(3)]
    await cluster.connection.executemany(LINK, [(first, second), (second, third)])
    await cluster.caught_up()
    thing = {"type": "User", "id": first}
    answer = await post(patient, "closure", application.token, of=thing)
    assert (answer.status, [error["param"] for error in answer.body["errors"]]) == ("invalid-param", ["max_depth"])
    async with cluster.paused():
        await cluster.connection.execute("DELETE FROM requirements WHERE requireable_id = $1", first)
        answer = await post(patient, "closure", application.token, of=thing)
        assert server(answer) == PRIMARY
        assert answer.data["results"] == []


# With an id of its own: other tests need the first requirement of the cluster.
LINK = """
INSERT INTO requirements (id, requireable_type, requireable_id, required_type, required_id)
VALUES ((1::bigint << 40) + $1, 'User', $1, 'User', $2)
"""
