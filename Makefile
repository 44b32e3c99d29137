# What a developer runs. Everything is installed into .venv; a second run installs nothing.
#   PYTHON=python3.12   another interpreter for a new .venv
#   PORT=8001           where `make serve` listens
#   TESTS=tests/...     what `make test` runs
#   SEED=... ROUNDS=50  which random faults `make soak` repeats, and how often

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
PORT ?= 8001
TESTS ?= tests
ROUNDS ?= 50
BIN := .venv/bin
SOURCES := src tests scripts examples
export PYTHON

.PHONY: help setup setup-dev serve test check lint format types imports docs docs-check shell-check requirements bench soak clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what the server needs
	@scripts/setup_environment.sh server

setup-dev: ## Install what tests and checks need, too
	@scripts/setup_environment.sh dev

serve: setup ## Start a server with a development key and print a first request
	@mkdir -p data
	$(BIN)/python -m robosystems.graph_api --base-path ./data/lbug-dbs --node-type writer --port $(PORT) \
		--development-key ./data/development-key

test: setup-dev ## Run all tests
	@scripts/install_servers.sh test
	$(BIN)/pytest $(TESTS)

check: lint types imports docs-check shell-check ## Run every static check

lint: setup-dev ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup-dev ## Repair style and format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

types: setup-dev ## Check types
	$(BIN)/pyright

imports: setup-dev ## Check the import rules
	@$(BIN)/lint-imports --no-logo

docs: setup-dev ## Write the documents derived from the code
	$(BIN)/python -m scripts.generate_docs

docs-check: setup-dev ## Check that the derived documents are current
	$(BIN)/python -m scripts.generate_docs --check

shell-check: setup-dev ## Check shell scripts and workflows
	$(BIN)/shellcheck .ci/run scripts/*.sh
	$(BIN)/zizmor --offline --quiet .github

requirements: ## Resolve the dependencies afresh and write their hashes
	@scripts/compile_requirements.sh

bench: setup-dev ## Measure against the bare engine and print ratios
	@scripts/install_servers.sh bench
	$(BIN)/python -m tests.graph_api.bench

soak: setup-dev ## Repeat the random faults many times
	@seed=$${SEED:-$$RANDOM$$RANDOM}; echo "soak: SEED=$$seed ROUNDS=$(ROUNDS)"; \
	$(BIN)/pytest $(TESTS) -m soak --timeout=0 --rounds=$(ROUNDS) --seed=$$seed || \
		{ echo "soak: repeat with: make soak SEED=$$seed ROUNDS=$(ROUNDS)"; exit 1; }

clean: ## Remove the environment and caches; data stays
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
