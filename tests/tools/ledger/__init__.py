"""Fault-injection test of durability: clients record what they send and receive while faults are injected.

A checker in SQL compares that history with the table requirements. `make ledger` injects faults for 90 seconds,
`make ledger-long` for MINUTES; `ARGS="--list"` lists the faults. Exit code 0: no violations; 1: at least one
violation, or a fault needs something this machine lacks; 2: invalid options.

Other programs use `populate` to create callers, `load` to send requests, and `check` to check a `History`.
"""
