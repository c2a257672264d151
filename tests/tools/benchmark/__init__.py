"""Benchmark: compare the service with upper limits (echo server, pgbench) and with FastAPI and Go implementations.

`make bench` runs for under 2 minutes, `make bench-full` for under 20; both write docs/benchmarks/. Exit code 0: all
answers were correct (missed targets are only reported); 1: wrong answers, or the benchmark could not run; 130:
interrupted. `make bench-mail` runs `mail_outage`, which compares latencies while Mandrill accepts and while it hangs.
`make bench-statement` runs `statement_cost`, which takes the statement of a create apart.
`make bench-locks` runs `locked_table`, which compares them while a table or a row that others name is locked.
"""
