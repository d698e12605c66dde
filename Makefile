# Everything a contributor runs. `make help` lists it; CONTRIBUTING.md explains it.
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test test-long test-servers check format docs bench bench-setup clean

BIN := .venv/bin
# Two workers, whatever the machine: counts and timeouts in the tests are made for two cores.
PYTEST := scripts/with-docker $(BIN)/python -m pytest -n 2
# One worker: these tests exhaust what sandboxes of one user share, such as the number of processes.
PYTEST_CODING := scripts/with-docker $(BIN)/python -m pytest tests/coding

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:
	@scripts/venv
	@scripts/system-packages dot:graphviz

setup-dev:
	@scripts/venv dev
	@scripts/embedding-model
	@scripts/system-packages dot:graphviz bwrap:bubblewrap /usr/games/stockfish:stockfish /usr/lib/postgresql/15/bin/postgres:postgresql-15 /usr/bin/chromium:chromium

demo: setup ## a conversation that is killed, resumed, replayed and drawn; needs no key
	@$(BIN)/python examples/demo.py

test: setup-dev ## set up, check, and run the tests
	@$(MAKE) --no-print-directory -j2 check test-servers
	@scripts/with-node $(PYTEST) --ignore=tests/coding
	@$(PYTEST_CODING)

test-long: test-servers ## the tests at their full counts (tens of minutes)
	@scripts/with-node $(PYTEST) --ignore=tests/coding -m "long or not long"
	@$(PYTEST_CODING)

test-servers: setup-dev
	@scripts/with-node scripts/setup-model-servers
	@scripts/with-node scripts/setup-axe

check: setup-dev ## format, lint, types, floors
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/pyright
	@$(BIN)/lint-imports

format: setup-dev ## put the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: setup-dev ## the documentation site, in build/site
	@$(BIN)/python -m scripts.documentation

bench: setup-dev bench-setup ## convgraph beside the bare work and other frameworks: a table and a plot
	@$(BIN)/python -m benchmarks.run
	@$(BIN)/python -m benchmarks.distributed

bench-setup: ## install the other frameworks into build/bench-venv
	@scripts/bench-venv

clean: ## remove what make made
	rm -rf .venv .cache build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
