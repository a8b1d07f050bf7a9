# Every target makes the environment it needs; nothing else has to be installed by hand.
# make demo ARGS="--for 30"   make test ARGS="-k topics"   make check   make bench   make lock
.DEFAULT_GOAL := help
.PHONY: help demo test check bench trace lock licences format hooks clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9
ARGS ?=

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/.uv: Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Kreispuls needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

# The lock files are exact and hashed; the project itself is installed editable, without its own dependency resolution.
$(VENV)/.runtime: $(VENV)/.uv requirements.lock pyproject.toml
	@echo "Installing Kreispuls into $(VENV) ..."
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.runtime ## a simulated county on this machine; ARGS="--for 30" ends by itself
	@$(BIN)/kreispuls demo $(ARGS)

test: $(VENV)/.dev ## all tests; on Debian as root installs the servers they need
	@PYTHON=$(BIN)/python sh tests/install_servers.sh
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 10 $(ARGS)

check: $(VENV)/.dev ## lint, format, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## let ruff format and fix
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

hooks: $(VENV)/.dev ## check each commit (pre-commit)
	@$(BIN)/pre-commit install

bench: $(VENV)/.dev ## measurements; last line of each is one JSON object
	@$(BIN)/python benchmarks/end_to_end.py $(ARGS)
	@$(BIN)/python benchmarks/ingest_rate.py
	@$(BIN)/python benchmarks/latency.py
	@$(BIN)/python benchmarks/light_control.py
	@$(BIN)/python benchmarks/history.py

LOCK := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml
trace: $(VENV)/.dev ## the own files on the way of a reading and of a presence
	@$(BIN)/python benchmarks/trace.py

lock: $(VENV)/.uv ## write the lock files anew
	@$(UV) $(LOCK) --all-extras -o requirements.lock
	@$(UV) $(LOCK) -c requirements.lock -o requirements-base.lock
	@$(UV) $(LOCK) --all-extras --group dev -c requirements.lock -o requirements-dev.lock

licences: $(VENV)/.dev ## write the table of docs/licences.md anew
	@$(BIN)/python -m tests.licences

clean: ## remove the environment and caches
	@rm -rf $(VENV) .venv-newest build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
