# Each target installs what it needs. `make` without a target lists all targets.

.DEFAULT_GOAL := help
.PHONY: help run test test-index test-postgres15 test-browser soak fuzz sabotage injection ledger ledger-long ledger-failover client-faults check lint format types layers bench bench-full bench-mail bench-statement bench-locks lock clean runtime peers tools

# Tests start hundreds of Python processes. None of them should compile the service anew.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin/python -m
# Tests wait for a part of their time, so three keep two cores busy. JOBS=1 runs them one at a time.
JOBS := 3
# In the order of tests/conftest.py, which starts with the longest files.
PYTEST := pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
# What the given server runs; tests of `serving` and `security` start their own. The OpenAPI document has no SQL in it.
ON_POSTGRES := admin api cli mail storage tools/injection
NOT_ON_POSTGRES := api/test_schemathesis.py api/test_generated_clients.py
COMPILE := uv pip compile pyproject.toml --extra embedded --universal --generate-hashes --no-emit-index-url --no-strip-extras \
	--custom-compile-command "make lock" --quiet

help: ## Print this help
	@if [ -t 1 ] && [ -z "$$NO_COLOR" ]; then on=$$(printf '\033[1;36m'); off=$$(printf '\033[0m'); fi; \
	awk -F ':.*## ' -v on="$$on" -v off="$$off" \
		'/^[a-z0-9-]+:.*## / { printf "  %s%-16s%s %s\n", on, $$1, off, $$2 }' $(MAKEFILE_LIST)

run: runtime ## Serve the API on an embedded PostgreSQL with demo records, or on DATABASE_URL without them
	@exec $(BIN) service serve $(if $(DATABASE_URL),,--demo)

test: tools ## Run the tests on the embedded PostgreSQL (5 to 8 minutes); ARGS="-k create" selects some
	@$(BIN) $(PYTEST) $(ARGS)

test-index: tools ## Print which tests pin which rule of the contract; ARGS=CONTRACT.md checks its headings
	@$(BIN) tests.contract_index $(ARGS)

test-postgres15: tools ## Run the tests that touch tables on an installed PostgreSQL 15, the oldest supported version
	@ALL_FAULTS=1 bash .ci/postgres15 $(BIN) $(PYTEST) $(addprefix tests/,$(ON_POSTGRES)) $(addprefix --ignore=tests/,$(NOT_ON_POSTGRES)) $(ARGS)

test-browser: tools ## Test the console and /docs in a headless Chromium; screenshots in build/screenshots
	@mkdir -p build/screenshots
	@SCREENSHOTS=build/screenshots $(BIN) pytest tests/browser $(ARGS)

soak: tools ## Create 10,000 requirements with a faulty Mandrill and check that no e-mail is lost or sent twice
	@SOAK_CREATES=10000 $(BIN) pytest tests/mail/test_dispatcher.py -k soak $(ARGS)

fuzz: tools ## Send 100,000 generated requests and check every response; FUZZ_SEED=7 sends others
	@exec $(BIN) tests.tools.inputs

sabotage: tools ## Plant bugs in copies of the code and check that their tests fail; ARGS=NAME plants one
	@exec $(BIN) tests.tools.sabotage $(ARGS)

injection: tools ## Make each operation of each action fail in every way, in 2 minutes
	@ALL_FAULTS=1 $(BIN) pytest -n $(JOBS) tests/tools/injection $(ARGS)

ledger: tools ## Inject faults under load for 90 s and compare every response with the table; ARGS="--list" lists faults
	@exec $(BIN) tests.tools.ledger $(ARGS)

ledger-long: tools ## The same for MINUTES=30 with longer faults; SEED=1 repeats a plan
	@exec $(BIN) tests.tools.ledger --long --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED)) $(ARGS)

client-faults: tools ## Send 10,000 writes through the Python client during restarts and cuts, in minutes
	@CLIENT_WRITES=10000 $(BIN) pytest tests/client/test_faults.py $(ARGS)

check: lint types layers test ## Run lint, types, layers and test

lint: tools ## Check the style of the code and the SQL migrations
	@$(BIN) ruff check
	@$(BIN) ruff format --check
	@.venv/bin/squawk sql/migrations/*.sql

format: tools ## Format the code and apply automatic fixes
	@$(BIN) ruff format
	@$(BIN) ruff check --fix

types: tools ## Check types
	@$(BIN) mypy

layers: tools ## Check that modules import only from lower layers
	@.venv/bin/python .venv/bin/lint-imports

bench: peers ## Benchmark the service against pgbench and peers in under 2 minutes; writes docs/benchmarks/
	@exec $(BIN) tests.tools.benchmark $(ARGS)

bench-full: peers ## The same with more rounds and tables of millions of rows, in under 20 minutes
	@exec $(BIN) tests.tools.benchmark --full $(ARGS)

bench-mail: tools ## Benchmark requests without e-mail while Mandrill accepts and while it hangs, in about a minute
	@$(BIN) tests.tools.benchmark.mail_outage

bench-statement: tools ## Benchmark the statement of a create and its parts: PostgreSQL's processor time, in under 2 minutes
	@$(BIN) tests.tools.benchmark.statement_cost $(ARGS)

bench-locks: tools ## Benchmark requests while a table or a row that others name is locked, in under a minute
	@$(BIN) tests.tools.benchmark.locked_table

ledger-failover: tools ## Lose the primary of two PostgreSQL servers under load, in minutes; needs etcd-server and patroni
	@exec $(BIN) tests.tools.failover $(ARGS)

lock: tools ## Update the lock files from pyproject.toml; ARGS=--upgrade takes newer versions
	@$(BIN) $(COMPILE) $(ARGS) --output-file requirements.lock
	@$(BIN) $(COMPILE) $(ARGS) --group bench --constraint requirements.lock --output-file requirements-bench.lock
	@$(BIN) $(COMPILE) $(ARGS) --group dev --constraint requirements-bench.lock --output-file requirements-dev.lock

clean: ## Remove the virtual environment and tool caches, but not the data in .data/
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis .coverage* build dist
	find service tests -name __pycache__ -type d -prune -exec rm -rf {} +

# All targets share one environment: each lock file includes the previous one, with the same versions.
runtime:
	@PYTHON="$(PYTHON)" sh .ci/venv requirements.lock

peers:
	@PYTHON="$(PYTHON)" sh .ci/venv requirements-bench.lock requirements.lock

tools:
	@PYTHON="$(PYTHON)" sh .ci/venv requirements-dev.lock requirements-bench.lock requirements.lock
