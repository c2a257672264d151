"""A walk that waits for its turn asks the replica only if that may still answer."""

import asyncio
import math

from service.api import keys
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
