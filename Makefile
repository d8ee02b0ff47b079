# `make` lists the targets. All of them run from .venv, which is made when it is missing or out of date.

PYTHON ?= python3
BIN := .venv/bin

# Further arguments for pytest: make test-fast ARGS="-k relay -x"
ARGS ?=
# How many processes run tests at a time, each with servers of its own. Tests wait for servers and
# compute, so two cores carry four. The order is that of tests/conftest.py: slow files first.
WORKERS ?= 4
SPREAD = -n $(WORKERS) --dist=loadscope --no-loadscope-reorder
# Without bytecode every program that a test starts would compile the project again.
unexport PYTHONDONTWRITEBYTECODE
# Which benchmarks: make bench ONLY=eventstore
ONLY ?=

.DEFAULT_GOAL := help
.PHONY: help run test coverage check test-fast torture kubernetes docs bench dist clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

run: .venv/embedded.stamp  ## the whole system on this machine, with a sample event shown on its way to the result
	@exec $(BIN)/ntbridge dev --sample

test: check  ## lint, types, layers, then all tests (but `torture`); up to 5 failures are tried again, alone
	@$(BIN)/python -m tests.support.twice $(SPREAD) -m "not torture" $(ARGS)

coverage: .venv/dev.stamp  ## the tests of `test` with their coverage, which takes half as long again
	$(BIN)/python -m pytest $(SPREAD) -m "not torture" --cov --cov-report=term $(ARGS)

check: .venv/dev.stamp  ## lint, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test-fast: .venv/dev.stamp  ## the tests that neither start servers nor wait: under a minute
	$(BIN)/python -m pytest -n 2 --dist=loadscope -m "not slow and not servers and not torture" $(ARGS)

torture: .venv/torture.stamp  ## the long crash and fault matrices: about an hour
	$(BIN)/python -m pytest -n 2 --dist=loadscope --no-loadscope-reorder -m torture --timeout=3600 $(ARGS)

kubernetes: .venv/s3.stamp  ## the tests of manifests and chart, with Helm and schemas of custom resources, which it fetches
	$(BIN)/python -m tests.support.kubernetes.tools
	$(BIN)/python -m pytest tests/unit/compose/kubernetes $(ARGS)

docs: .venv/docs.stamp  ## the documentation as a site, in site/, with references made from the code
	$(BIN)/python -m compose.release.site

bench: .venv/dev.stamp  ## benchmarks: a table, and bench-results.json (ONLY=name for those whose name begins so)
	@$(BIN)/python -m tests.benchmarks $(ONLY)

dist: .venv/dist.stamp  ## what a release publishes, in dist/: wheels, sources, bills of materials, digests, provenance
	$(BIN)/python -m compose.release

clean:  ## remove what was made here: .venv, caches, results, the state folder of `make run`
	@if [ -x $(BIN)/python ] && $(BIN)/python -c "$$IS_STACK_RUNNING" 2>/dev/null; then \
		echo "A stack is running here: stop it first." >&2; exit 1; fi
	rm -rf .venv .ntbridge .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf .coverage .coverage.* htmlcov bench-results.json dist build site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

define IS_STACK_RUNNING
import pathlib, sys
from bridge.devstack.addresses import STATE, read_stack
sys.exit(read_stack(pathlib.Path(STATE)) is None)
endef
export IS_STACK_RUNNING

# One stamp for each extra, so that `make run` need not wait for the developers' tools.
.venv/embedded.stamp: EXTRA := embedded
.venv/dev.stamp: EXTRA := dev
.venv/torture.stamp: EXTRA := dev,fuzz,s3
.venv/s3.stamp: EXTRA := dev,s3
.venv/dist.stamp: EXTRA := dist
.venv/docs.stamp: EXTRA := docs,pipelines
.venv/embedded.stamp .venv/dev.stamp .venv/torture.stamp .venv/s3.stamp .venv/dist.stamp .venv/docs.stamp: pyproject.toml workflows/pyproject.toml constraints.txt
	@$(PYTHON) -c "$$CHECK_PYTHON" || { $(PYTHON) --version >/dev/null 2>&1 || \
		echo "$(PYTHON) cannot be run: install Python 3.11 or later, or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@[ -x $(BIN)/pip ] || { echo "making .venv" >&2; $(PYTHON) -m venv .venv; }
	@echo "installing into .venv what '$(EXTRA)' needs (the first time this takes a minute or two)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRA)]' -e ./workflows
	@touch $@

define CHECK_PYTHON
import importlib.util, platform, sys
version = platform.python_version()
if sys.version_info < (3, 11):
    sys.exit(f"{sys.executable} is Python {version}, but 3.11 or later is needed. Name one: make PYTHON=/path/to/python")
if importlib.util.find_spec("ensurepip") is None:
    sys.exit(f"{sys.executable} cannot make virtual environments: install its venv package (python3-venv on Debian).")
endef
export CHECK_PYTHON
