"""The ledger: many clients write down what they send and see, things break, and SQL compares that with the table.

As a library: `population` makes callers, `load` puts the load on a service, `check` judges a `History`.
"""
