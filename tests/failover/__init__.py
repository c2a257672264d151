"""What a failover of PostgreSQL costs: two servers under Patroni, the primary lost under load, and the ledger's verdict.

No tests but a harness: `make ledger-failover`. Beside it `test_synchronous.py`, which needs one server only.
"""
