"""Programs that test the service from outside, beyond its unit and integration tests. Each has `--help`.

- `benchmark` compares the service's speed with upper limits and with FastAPI and Go implementations.
- `failover` makes the primary of a PostgreSQL cluster fail under load.
- `injection` makes every operation that a request awaits fail, inside one process.
- `inputs` sends generated requests and compares each answer with a model of the contract.
- `ledger` injects faults into a running service under load and compares all answers with the database.
- `sabotage` plants known bugs and checks that the tests catch them.
"""
