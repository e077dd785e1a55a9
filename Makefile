# Two commands are all there is to know: `make up` runs everything, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install up screenshots test chaos behaviour lint format bench bench-check lock audit-deps licences clean

help: ## list these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.python $(LOCK)
	@echo "installing into $(VENV) (once) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.dev: $(VENV)/.python $(LOCK)
	@echo "installing the test tools into $(VENV) (once) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.run

install: $(VENV)/.dev ## make the venv with everything in it

up: $(VENV)/.run ## run it all: queue, workers, sandbox (Ctrl-C stops)
	@exec $(BIN)/forwarder up

test: $(VENV)/.dev ## run the tests
	@$(BIN)/pytest -q -n 3

chaos: $(VENV)/.dev ## break everything at random, MINUTES=10 long; SEED=n repeats a run, CLUSTER=1 has the queue on a Redis Cluster
	@$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(if $(CLUSTER),--cluster)

behaviour: $(VENV)/.dev ## measure delivery in trouble: outage, limits, kill -9 (CASE=outage for one)
	@$(BIN)/python -m tests.benchmarks.behaviour $(CASE)

lint: $(VENV)/.dev ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev ## let ruff write the layout
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

$(VENV)/.bench: $(VENV)/.dev
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

$(VENV)/.peers: $(VENV)/.bench
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[peers]'
	@touch $@

bench: $(VENV)/$(if $(PEERS),.peers,.bench) ## measure us and the floors side by side; PEERS=1: and others who do the same
	@$(BIN)/python -m tests.benchmarks $(if $(FULL),--full) $(if $(PEERS),--peers) $(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json)

bench-check: $(VENV)/.dev ## fail when delivery has become dearer than it was noted to be
	@$(BIN)/python -m tests.benchmarks.check

screenshots: $(VENV)/.dev ## pictures of the console's pages, into FOLDER (screenshots); needs chromium
	@$(BIN)/python -m tests.browser.screenshots $(or $(FOLDER),screenshots)

lock: ## pin the newest versions that pyproject.toml allows
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet -e '.[dev,bench,peers]'
	@{ echo "# Pinned versions of everything in pyproject.toml; written by make lock."; \
	   $(VENV)-lock/bin/pip freeze --exclude-editable; } > constraints.txt
	@rm -rf $(VENV)-lock

audit-deps: ## ask the Python advisory database for known weaknesses of what is pinned
	@$(PYTHON) -m venv $(VENV)-audit && $(VENV)-audit/bin/pip install --quiet --disable-pip-version-check 'pip-audit>=2.10,<3'
	@$(VENV)-audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --progress-spinner off; \
	   status=$$?; rm -rf $(VENV)-audit; exit $$status

licences: $(VENV)/.dev ## write deploy/LICENCES.md
	@$(BIN)/python -m tests.support.licences

clean: ## remove the venv and caches (not the data folder)
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
