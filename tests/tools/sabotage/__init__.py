"""Mutation test of guarantees: plant known bugs in copies of the repository and run the tests that must catch them.

A bug is a file in `bugs/`. `make sabotage` plants all of them; `make sabotage ARGS=NAME` plants one. Exit code 0: every
named test caught its bug; 1: a bug was not caught or could not be planted, or a test fails without a bug; 2: unknown
bug name.
"""
