"""Bugs planted on purpose, each in a copy of the repository: the tests named for it must catch it.

A bug is a file of `bugs/`; `make sabotage` plants them all and tells which test caught which.
"""
