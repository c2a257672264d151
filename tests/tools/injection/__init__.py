"""Fault injection in-process: every operation a request awaits fails once, in every way that fault allows.

An operation is a statement, opening, acquiring or releasing a connection, or a request to Mandrill. `make test` runs
the tests with two faults for each kind of request; `make injection` runs them alone, with up to 22.
"""
