"""Text that explains a report to its reader."""

from tests.tools.benchmark.plan import (
    BARE,
    COPY,
    ECHO,
    GO,
    HUNDREDS,
    PEER,
    PGBENCH,
    SERVICE,
    THOUSANDS,
    UNBATCHED,
)

EXPLANATION = f"""## How to read this report

All contestants use the same durable PostgreSQL, on the same machine as the load generator, in turns: one round of
each, then the next round. Ratios are computed for each round, so that a slow machine slows both sides. The median
ratio counts; the lowest and highest are shown beside it. Rates and latencies are also medians of rounds.

- **{SERVICE}** is `serve` with its default configuration. Its log lines are read and discarded.
- **{ECHO}** parses the body with orjson and sends it back, with the same number of processes, no database and no log.
- **{PGBENCH}** runs the same insert with locked references, one row a transaction, prepared, with the service's planner
  settings, without a token look-up and without HTTP. Its connections are new in each round; its rate excludes the
  warm-up, its costs include it. Its p50 is the mean, since it reports no median.
- **{PEER}** makes the same checks one query after another in a transaction, under uvicorn with uvloop
  and httptools, the same number of workers, and uvicorn's access log.
- **{GO}** is net/http and pgx with the same checks, one query after another in a transaction, in one process with
  as many active threads as there are workers, ten connections for each, and a log line a request.
- **{UNBATCHED}** is the service without batching: each look-up and each insert is a separate statement, executed
  immediately. The difference from the service is the cost of batching for a single client.
- **{BARE}** is the service's own statement over its own pool: no HTTP, no checks, no log.
- **{HUNDREDS}** is `create_many` with 100 items a call over 8 connections, **{THOUSANDS}** with 1,000 items over one.
  **{COPY}** is a transaction over one connection that locks and checks the referenced rows, then copies into the same
  table. Their rates and costs are those of rows, their latencies those of calls.

Statements are counted by the service itself and include its few background statements. With an application's token
{GO} makes six database round trips a request, including BEGIN and COMMIT, with a session's eight;
{PEER} makes one more, since asyncpg's pool resets a released connection; {PGBENCH} makes one.

The status of every answer was checked, and that every answer has its row. Rows per commit are the reciprocal of
"transactions that write".""".split("\n")
