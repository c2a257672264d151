"""Measure the cost of a PostgreSQL failover: two servers under Patroni lose their primary under load.

The standby is the replica for reads. The ledger's checker compares the answers with the table after each round, and a
follower of the change feed replays what it is told. `make ledger-failover` runs it;
`ARGS="--only switchover"` selects rounds. It needs etcd-server, patroni and postgresql-15. Exit code 0: guarantees
kept; 1: a guarantee was broken, the cluster failed, or a program is missing; 130: interrupted.
"""
