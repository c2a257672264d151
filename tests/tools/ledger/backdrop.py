"""What stands for a whole run, whatever service runs before it: PostgreSQL, the way to it, Mandrill, the history."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import asyncpg

from service.config.resources import resource
from service.database.migrations import load_migrations, migrate
from tests.proxy import Proxy, proxied
from tests.serving.calling import QUICK
from tests.serving.postgres import Postgres
from tests.tools.ledger.callers import Population, populate
from tests.tools.ledger.history import History
from tests.tools.ledger.mandrill import Mandrill

# What a service must be started with for a fault to matter: a fault of Mandrill's is none without e-mails.
Stage = Literal["plain", "with e-mails", "8 days ahead", "8 days behind"]

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
DAYS: dict[Stage, str] = {"8 days ahead": "+8d", "8 days behind": "-8d"}


class UnavailableError(Exception):
    """Something that a run needs is not on this machine; the message says what."""


@dataclass
class Backdrop:
    """The parts, the code `tree` whose service is run before them, and whether the run is a long one."""

    postgres: Postgres
    proxy: Proxy
    mandrill: Mandrill
    population: Population
    history: History
    tree: Path
    thorough: bool

    def environ(self, stage: Stage) -> dict[str, str]:
        """What the service is started with: in a long run with the shipped limits, else with shorter ones."""
        environ = {"DATABASE_URL": self.proxy.url, **({} if self.thorough else QUICK)}
        if stage == "with e-mails":
            return environ | self.mandrill.environ
        if stage in DAYS:
            if not FAKETIME.exists():
                raise UnavailableError("a wrong clock takes libfaketime: apt-get install libfaketime")
            faked = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": DAYS[stage], "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            return environ | faked
        return environ


@contextlib.asynccontextmanager
async def standing(folder: Path, history: History, tree: Path, *, thorough: bool) -> AsyncIterator[Backdrop]:
    """All of it, with a durable PostgreSQL that is kept in `folder`."""
    postgres, mandrill = Postgres(folder / "data", settings={}), Mandrill()
    async with contextlib.AsyncExitStack() as stack:
        await postgres.start()
        stack.push_async_callback(postgres.stop)
        await mandrill.start()
        stack.push_async_callback(mandrill.stop)
        proxy = await stack.enter_async_context(proxied(postgres.url))
        connection = await asyncpg.connect(postgres.url)
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        population = await populate(connection)
        await connection.close()
        yield Backdrop(postgres, proxy, mandrill, population, history, tree, thorough)
