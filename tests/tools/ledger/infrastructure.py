"""Everything that outlives one service process in a run: PostgreSQL, its proxy, Mandrill, callers and history."""

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

# How the service is configured: a fault of Mandrill, for example, needs a service that sends e-mails.
Variant = Literal["plain", "with e-mails", "8 days ahead", "8 days behind"]

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
DAYS: dict[Variant, str] = {"8 days ahead": "+8d", "8 days behind": "-8d"}

# An association type that only the calls of some faults name.
ORDERS = {"REQUIREMENTS__ASSOCIATIONS__Order": "orders"}
CREATE_ORDERS = "CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders VALUES (1)"


class UnavailableError(Exception):
    """A program or library that a run needs is not installed. The message names it."""


@dataclass
class Infrastructure:
    """The parts of a run, the source tree of the service, and whether the run is a long one."""

    postgres: Postgres
    proxy: Proxy
    mandrill: Mandrill
    population: Population
    history: History
    tree: Path
    thorough: bool

    def environ(self, variant: Variant) -> dict[str, str]:
        """Environment variables of the service: default time limits in a long run, else shorter ones."""
        environ = {"DATABASE_URL": self.proxy.url, **ORDERS, **({} if self.thorough else QUICK)}
        if variant == "with e-mails":
            return environ | self.mandrill.environ
        if variant in DAYS:
            if not FAKETIME.exists():
                raise UnavailableError("faults of the clock need libfaketime: apt-get install libfaketime")
            faked = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": DAYS[variant], "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
            return environ | faked
        return environ


@contextlib.asynccontextmanager
async def run_infrastructure(
    folder: Path, history: History, tree: Path, *, thorough: bool
) -> AsyncIterator[Infrastructure]:
    """Run the infrastructure, with a durable PostgreSQL whose data is in `folder`."""
    postgres, mandrill = Postgres(folder / "data", settings={}), Mandrill()
    async with contextlib.AsyncExitStack() as stack:
        await postgres.start()
        stack.push_async_callback(postgres.stop)
        await mandrill.start()
        stack.push_async_callback(mandrill.stop)
        proxy = await stack.enter_async_context(proxied(postgres.url))
        connection = await asyncpg.connect(postgres.url)
        await migrate(connection, load_migrations(resource("sql") / "migrations"))
        await connection.execute(CREATE_ORDERS)
        population = await populate(connection)
        await connection.close()
        yield Infrastructure(postgres, proxy, mandrill, population, history, tree, thorough)
