# Two commands: `make demo` shows it, `make test` proves it. Both create what they need.
# Nothing but Python 3.11+ and make is assumed.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2

.PHONY: demo test test-full test-compat lint bench clean

demo: $(STAMP)
	$(BIN)/mishran demo

test: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not full"

test-full: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# The package's own ranges, newest and oldest: transformers 5.x and the last 4.x.
test-compat:
	$(PYTHON) tools/compat.py

lint: $(STAMP)
	$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/mypy

# torch first and alone: without it a plain install takes the registry's CUDA build.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("mishran: expected Python 3.11 or newer, found " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[torch,dev]'
	touch $(STAMP)

# The peers of benchmarks/energy.py; quadprog is GPL, so nothing here depends on them.
bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check quadprog osqp proxsuite
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/energy.py --page docs/results/energy.md --plot docs/results/energy.svg

clean:
	rm -rf $(VENV) demo build dist
