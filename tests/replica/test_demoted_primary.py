"""Reads do not stay on a server that has become a standby."""

import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from service.api.app import create_app
from service.config import Config
from service.database.errors import NotConnected
from service.database.pool import open_database
from tests.conftest import AppClient
from tests.factories import Records
from tests.replica.conftest import Cluster
from tests.replica.reading import post
from tests.serving.postgres import Postgres

END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'requirements-service%'"


async def test_a_standby_is_refused(cluster: Cluster, config: Config) -> None:
    """A pool that refuses standbys reads from the primary, and opens no connection to a standby."""
    async with open_database(config.database, cluster.primary.url, refuse_standby=True) as primary:
        assert await primary.fetch("SELECT 1")
    async with open_database(config.database, cluster.standby.url, refuse_standby=True) as standby:
        with pytest.raises(NotConnected, match="leads to a standby"):
            await standby.fetch("SELECT 1")


class Address:
    """A folder for sockets that leads to one server or another, as an address does that follows a failover."""

    def __init__(self, folder: Path) -> None:
        self._link = folder / "sockets"

    def lead_to(self, server: Postgres) -> str:
        """Let it lead to `server`. Returns the URL with this address."""
        self._link.unlink(missing_ok=True)
        (sockets,) = parse_qs(urlsplit(server.url).query)["host"]
        self._link.symlink_to(sockets)
        return urlsplit(server.url)._replace(query=urlencode({"host": str(self._link)})).geturl()


@pytest.mark.parametrize("action", ["index", "changes"])
async def test_a_read_is_not_answered_by_a_standby(
    cluster: Cluster, config: Config, aiohttp_client: AppClient, action: str
) -> None:
    """While `database.url` leads to a standby, a read fails: the standby may lack what was acknowledged."""
    application = await Records(cluster.connection).application()
    await cluster.caught_up()
    with tempfile.TemporaryDirectory() as folder:  # paths of sockets must be short
        address = Address(Path(folder))
        database = replace(config.database, url=address.lead_to(cluster.primary), replica_url=None)
        client = await aiohttp_client(create_app(replace(config, database=database)))
        for server, status in [
            (cluster.primary, "action-successful"),
            (cluster.standby, "application-crash"),
            (cluster.primary, "action-successful"),
        ]:
            address.lead_to(server)
            await cluster.connection.execute(END)
            answer = await post(client, action, application.token, page={"size": 1})
            assert answer.status == status
