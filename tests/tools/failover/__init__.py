"""What a failover of PostgreSQL costs: two servers under Patroni, the primary lost under load, the ledger's verdict.

No tests but a harness: `make ledger-failover`.
"""
