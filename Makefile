# Everything happens in virtual environments inside this folder: .venv, and .venv313 for the second Python.
# `make PYTHON=/path/to/python3.12 test` uses another Python than the first python3 of the PATH.

PYTHON ?= python3
VENV := .venv
SECOND := .venv313
BIN := $(VENV)/bin
PYTEST := -m pytest -q -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test lint test-first test-second bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(VENV)/.runs  ## make a scene, run an index over it, check it, draw it (into ./demo)
	$(BIN)/geopatcher demo

test: lint test-first test-second  ## linters and all tests, on 3.13 too where there is one

lint: $(VENV)/.develops  ## style, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test-first: $(VENV)/.develops
	$(BIN)/python $(PYTEST)

test-second:
	@if python=$$(tools/find-python.sh 3.13) && "$$python" -c 'import ensurepip, venv'; then \
		$(MAKE) --no-print-directory $(SECOND)/.develops PYTHON="$$python" && $(SECOND)/bin/python $(PYTEST); \
	else \
		echo "there is no working Python 3.13 here: tested on the first Python only"; \
	fi

bench: $(VENV)/.develops  ## the benchmark suite (minutes to hours; see benchmarks/README.md)
	$(BIN)/python -m benchmarks.bench $(BENCH)

clean:  ## remove environments, caches and what the demo wrote
	rm -rf $(VENV) $(SECOND) demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps say what an environment holds; they are made anew when pyproject.toml changes.
%/.runs: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"geopatcher needs Python 3.11 or newer, this is %d.%d: make PYTHON=/path/to/python3.11" % sys.version_info[:2])'
	@echo "setting up $*: this takes a minute or two, once"
	@test -x $*/bin/python || $(PYTHON) -m venv $*
	@$*/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$*/bin/python -m pip install --quiet --editable '.[all]'
	@touch $@

%/.develops: %/.runs
	@echo "adding what tests and linters need to $*"
	@$*/bin/python -m pip install --quiet --group dev
	@touch $@

.PRECIOUS: %/.runs %/.develops
