"""Fault injection in-process: every operation a request awaits fails once, in every way that fault allows.

An operation is a statement, opening, acquiring or releasing a connection, or a request to Mandrill. The tests run as
part of `make test`; `python -m pytest tests/tools/injection` or `python -m tests.tools.injection` runs them alone.
The exit code is pytest's: 0 if all tests pass.
"""
