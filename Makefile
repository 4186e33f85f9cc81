# Everything happens in virtual environments inside this folder: .venv, and .venv313 for the second Python.
# `make PYTHON=/path/to/python3.12 test` uses another Python than the first python3 of the PATH.

PYTHON ?= python3
VENV := .venv
SECOND := .venv313
BIN := $(VENV)/bin
# A worker that crashes ends the run: the tests of its file would never be run by another.
PYTEST := -m pytest -q -n auto --maxprocesses 4 --max-worker-restart 0 --dist loadfile
# Lines are counted by sys.monitoring, which Python has from 3.12: it takes about a tenth more time. What takes minutes and
# says the same on both is tested on the first Python: buckets, networks, kills at every step, types, pages, benchmarks.
COVERED := COVERAGE_CORE=sysmon $(SECOND)/bin/python $(PYTEST) -m "not once" --cov --cov-report=

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs docs-serve site architecture coverage test-first test-torch test-second package moving wheel-test oldest bench fuzz soak clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(VENV)/.runs  ## make a scene, run an index over it, check it, draw it (into ./demo)
	$(BIN)/geopatcher demo

# The site is built before the tests: it takes two minutes, and fails early.
# `make test TORCH=1` also tests what needs torch and XGBoost, which are large and stay out of the environment otherwise.
test: lint site test-first $(if $(TORCH),test-torch) test-second  ## linters and all tests, most of them on 3.13, too, where there is one

lint: $(VENV)/.develops  ## style, types, layers, workflows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

docs: site  ## build the site, run the examples of all documents, check what is generated
	$(BIN)/python $(PYTEST) tests/whole/test_documents.py tests/whole/test_architecture.py
	$(BIN)/python docs/make_scaling_table.py --check

site: $(VENV)/.documents  # pages with examples are run; a dead link or a public name without an entry ends it
	$(BIN)/python -m tools.site

docs-serve: site  ## show the site on http://127.0.0.1:8000, until Ctrl-C
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory site 8000

architecture: $(VENV)/.develops  ## draw the picture in docs/architecture.md again
	$(BIN)/python tools/draw_architecture.py

test-first: $(VENV)/.develops
	$(BIN)/python $(PYTEST)

test-torch: $(VENV)/.develops
	$(BIN)/python -m pip install --quiet torch==2.13.0 xgboost-cpu
	$(BIN)/python -m pytest -q tests/operators/models/test_torch.py tests/training/test_torch_loading.py tests/training/test_shared_batches.py tests/operators/models/test_boosters.py

# The run on the second Python counts the lines it reaches, and fails below the floor in pyproject.toml.
test-second:
	@if python=$$(tools/find-python.sh 3.13) && "$$python" -c 'import ensurepip, venv'; then \
		$(MAKE) --no-print-directory coverage; \
	else \
		echo "there is no working Python 3.13 here: tested on the first Python only, coverage not measured"; \
	fi

coverage:  ## tests on Python 3.13 but the longest, with the share of lines they reach
	@python=$$(tools/find-python.sh 3.13) || { echo "make coverage needs Python 3.13"; exit 1; }; \
		$(MAKE) --no-print-directory $(SECOND)/.develops PYTHON="$$python"
	$(COVERED)

moving: .venv-moving/.moves  ## run the page about moving from other libraries with all of them (torch and others, 2 GB or more)
	cd $$(mktemp -d) && PYTHONPATH=$(CURDIR) $(CURDIR)/.venv-moving/bin/python -W ignore -m tools.documents $(CURDIR)/docs/howto/moving.md ran.json && cat ran.json

package: $(VENV)/.packages  ## build sdist and wheel into ./dist, look inside, install the core, run the demo with it
	$(BIN)/python tools/check_package.py

wheel-test:  ## all tests on the built wheel, without the source tree
	PYTHON=$(PYTHON) tools/test-wheel.sh $(WHEEL_TESTS)

oldest:  ## tests with the oldest versions that pyproject.toml allows
	PYTHON=$(PYTHON) tools/test-oldest.sh $(OLDEST_TESTS)

bench: $(VENV)/.develops  ## the benchmark suite (minutes to hours; see benchmarks/README.md)
	$(BIN)/python -m benchmarks.bench $(BENCH)

fuzz: $(VENV)/.develops  ## ten thousand mutated inputs (half an hour; FUZZ="--n 500 --seed 3")
	PYTHONPATH=tests/support$${PYTHONPATH:+:$$PYTHONPATH} $(BIN)/python -m fuzzing.run $(FUZZ)

soak: $(VENV)/.develops  ## runs, kills, edits and losses in any order (SOAK="--minutes 20")
	PYTHONPATH=tests/support$${PYTHONPATH:+:$$PYTHONPATH} $(BIN)/python -m soak.run $(SOAK)

clean:  ## remove environments, caches and what the demo wrote
	rm -rf $(VENV) $(SECOND) demo dist site .site-cache fuzz-faults .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.*
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

%/.documents: %/.develops
	@echo "adding what makes the site to $*"
	@$*/bin/python -m pip install --quiet --group docs
	@touch $@

%/.packages: %/.runs
	@$*/bin/python -m pip install --quiet --group package
	@touch $@

%/.moves: %/.runs
	@$*/bin/python -m pip install --quiet --group moving
	@$*/bin/python -m pip install --quiet --no-deps 'patchify>=0.2.3'
	@touch $@

.PRECIOUS: %/.runs %/.develops %/.documents %/.packages %/.moves
