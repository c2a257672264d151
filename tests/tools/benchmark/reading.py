"""How a report is to be read."""

from tests.tools.benchmark.plan import BARE, ECHO, GO, PEER, PGBENCH, SERVICE, UNBATCHED

READING = f"""## Reading it

All contestants work on the same durable PostgreSQL, on the same machine as the load generator, in turns: one round of
each, then the next round. Ratios are taken round by round, so a machine that slows down slows both sides; their median
counts, with the lowest and the highest beside it. Rates and latencies are medians of rounds as well.

- **{SERVICE}** is `serve` as it is shipped, with its log lines, which are read and thrown away.
- **{ECHO}** parses the body with orjson and sends it back, in as many processes: no database, no log.
- **{PGBENCH}** runs the same insert, its references held, one row a transaction, prepared, with the service's planner
  settings. It looks up no token and speaks no HTTP. Its connections are new in each round: its rate begins when they
  are warm, its costs do not. Its p50 is the mean, all that it tells.
- **{PEER}** makes the same checks one query after another in a transaction, under uvicorn with uvloop
  and httptools, as many workers, and uvicorn's own access log.
- **{GO}** is net/http and pgx with the same checks, one query after another in a transaction, in one process with
  as many threads at work as there are workers, ten connections for each, and a log line a request.
- **{UNBATCHED}** is the service with everything but its batching: each look-up and each insert is a
  statement of its own, run at once. What the service takes longer than this is what batching costs a lone client.
- **{BARE}** is the service's own, awaited over its pool: no HTTP, no checks, no log.

Statements are those that the service itself counts, its few own ones included. With an application's token
{GO} goes to the database and back six times a request, BEGIN and COMMIT included, with a session's eight times;
{PEER} goes once more, since asyncpg's pool resets a connection that is given back; {PGBENCH} once.

Every answer's status was checked, and that every answer has its row. Rows a commit: the reciprocal of "transactions
that write".""".split("\n")
