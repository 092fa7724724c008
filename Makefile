# From a fresh clone to a result with Python and make alone: whatever is missing is installed into .venv first.
#
#   make demo                          ARGS="--minutes 1" goes to `physiolect demo`
#   make test                          PYTEST_ARGS="tests/formats -x" goes to pytest
#   make demo PIP_ARGS="--no-index"    goes to pip install
#   make demo PYTHON=python3.12        the Python that .venv is made with

PYTHON ?= python3
PIP_ARGS ?=
PYTEST_ARGS ?=
ARGS ?=

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt $(PIP_ARGS)
# One thread a process: the processes fill the processors, and threads of two would stall each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: help demo test test-slow test-gpu lint bench

help:
	@echo "make demo       watch a small transformer learn ECG on this computer"
	@echo "make test       the fast tests"
	@echo "make test-slow  the slow tests"
	@echo "make test-gpu   the tests that need a GPU"
	@echo "make lint       format, lint, types, floors"
	@echo "make bench      side-by-side speed"

demo: .venv/core
	$(BIN)/physiolect demo $(ARGS)
	@echo && echo "source .venv/bin/activate puts physiolect on the path"

test: .venv/all
	$(PYTEST) -n auto --dist loadfile -m "not slow and not gpu" $(PYTEST_ARGS)

test-slow: .venv/all
	$(PYTEST) -m slow $(PYTEST_ARGS)

test-gpu: .venv/all
	$(PYTEST) -m gpu $(PYTEST_ARGS)

lint: .venv/all
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: .venv/core
	$(BIN)/python benchmarks/all.py $(ARGS)

# The stamps `core` and `all` stand for a finished installation, and age with what decides it.
.venv/core: $(BIN)/pip pyproject.toml constraints.txt
	$(INSTALL) -e .
	@touch $@

.venv/all: $(BIN)/pip pyproject.toml constraints.txt
	$(INSTALL) -e ".[test,lint]"
	@touch .venv/core $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Physiolect needs Python 3.11 or later. Try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
