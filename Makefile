# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Tests that don't look at the clock, the memory or other processes: two processes share them.
BESIDE := $(addprefix tests/,array_api autograd codegen cuda distributions func nn ops random_programs vision)

.PHONY: demo test parity coverage fuzz fuzz-files bench soak clean

demo: $(VENV)/.demo
	$(BIN)/python -m flambeau demo $(ARGS)

test: $(VENV)/.test
	$(BIN)/ruff check flambeau tests benchmarks tools examples fuzz
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 $(BESIDE) $(ARGS)
	$(BIN)/python -m pytest $(BESIDE:%=--ignore=%) $(ARGS)

# Comparison with PyTorch (installs its CPU build).
parity: $(VENV)/.parity
	$(BIN)/python -m pytest tests/parity $(ARGS)

# How much of PyTorch is covered, by its own databases: writes docs/coverage.md.
coverage: $(VENV)/.parity
	$(BIN)/python -m pip install --quiet --disable-pip-version-check expecttest
	$(BIN)/python -m tools.coverage_of_torch --jobs 2 --markdown docs/coverage.md $(ARGS)

bench: $(VENV)/.parity
	$(BIN)/python -m benchmarks $(ARGS)

# Random programs for as long as you like: make fuzz ARGS="--seconds 3600"
fuzz: $(VENV)/.test
	$(BIN)/python -m tests.random_programs $(ARGS)

# Hostile files for every parser: make fuzz-files ARGS="--seconds 600 --jobs 2"
fuzz-files: $(VENV)/.test
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	$(BIN)/python -m fuzz $(ARGS)

# Everything over and over in one process, to see that nothing grows: make soak ARGS="--seconds 3600"
soak: $(VENV)/.test
	$(BIN)/python -m tools.soak $(ARGS)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "flambeau needs Python 3.11 or newer; say which: make demo PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

$(VENV)/.parity: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	# Without its dependencies: all are there, and any build of torch will do.
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 20 --no-deps torchvision==0.28.0
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info demo-output
