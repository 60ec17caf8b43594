# From nothing but Python 3.11 and make: every target first makes or reuses .venv.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

PYTHON ?= python3.11
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links

# What the environment is made from: another place, another lock, another environment.
INPUTS := { echo "$(CURDIR) $(PYTHON)"; cat bootstrap.txt requirements.txt; }

# One more than there are cores: a third of the tests' time is waiting for servers.
WORKERS := $(shell echo $$(($$(nproc) + 1)))

# Ends what hangs, whatever it is that hangs.
LIMIT = timeout --kill-after=30 $(1)

.PHONY: help
help: ## Explain every target (this)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: install
install: ## Make .venv from the hashed lock; nothing to do while the lock is the same
	@$(BIN)/python --version &>/dev/null && $(INPUTS) | cmp --silent - .venv/made-from || \
		$(MAKE) --no-print-directory environment
	@cmp --silent pyproject.toml .venv/project-made-from || $(MAKE) --no-print-directory project

# The stamps come last, so an interrupted install starts afresh. uv takes a minute where pip takes three.
.PHONY: environment
environment:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is needed; install it, or name one: make PYTHON=…" >&2; exit 1; }
	@echo "Installing the lock into .venv (about a minute, 2.5 GB)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement bootstrap.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps --requirement requirements.txt
	@$(INPUTS) > .venv/made-from

.PHONY: project
project:
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@cp pyproject.toml .venv/project-made-from

.PHONY: demo
demo: install ## Back up, damage, restore and compare real data in a real Airflow (ONCE=1 ends by itself)
	@$(BIN)/python -m demo $(if $(filter-out 0 no,$(ONCE)),--once)

.PHONY: test
test: install lint ## Set everything up and run every check and test
	@$(call LIMIT,2700) $(BIN)/python -m pytest tests --ignore=tests/integration --ignore=tests/cluster \
		--numprocesses $(WORKERS) --maxprocesses 4 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder
	@$(call LIMIT,2700) $(BIN)/python -m pytest tests/integration
	@$(MAKE) --no-print-directory cluster-test

.PHONY: cluster-test
cluster-test: install ## Start the stack of docker-compose.yaml from packages: two workers, one of which dies
	@$(call LIMIT,900) $(BIN)/python -m pytest tests/cluster

.PHONY: lint
lint: install ## Style, types, and which package may import which
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: contract
contract: install ## Hold a server to the recordings: the sandbox, or the live one at VECTORIZER_URL
	@$(BIN)/python -m pytest tests/contract

.PHONY: bench
bench: install ## Measure against the guide's way, in ratios (VECTORIZER_URL measures a live server)
	@$(BIN)/python -m bench

.PHONY: lock
lock: install ## Write requirements*.txt from requirements*.in again (UPGRADE=1 takes newer versions)
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --no-annotate --output-file bootstrap.txt - <<< uv
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --no-strip-extras --no-emit-package vectorizer-backup \
		--output-file requirements.txt requirements.in
	@$(COMPILE) --no-annotate --no-strip-extras --no-emit-package vectorizer-backup --constraint requirements.txt \
		--output-file requirements-production.txt requirements-production.in

.PHONY: clean
clean: ## Remove .venv, caches, builds, and what demo and bench left
	@rm -rf .venv .demo .bench build dist *.egg-info include/*.egg-info .hypothesis .mypy_cache .ruff_cache \
		.import_linter_cache .pytest_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
