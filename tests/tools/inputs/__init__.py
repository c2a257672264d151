"""Fuzzing of the API: send generated requests and compare each answer with an independent model of the contract.

`make fuzz` sends 100,000 requests and prints the answers by family and status; FUZZ_SEED selects others. Exit code 0:
all answers were as expected; 1: otherwise. The tests in this folder run fewer requests as part of `make test`.
`python -m tests.tools.inputs.fuzz_decoding` fuzzes only the decoding of bodies, guided by coverage.
"""
