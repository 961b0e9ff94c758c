PYTHON ?= python3
BIN := .venv/bin
STUDY ?= studies/demo

.PHONY: demo test test-all lint clean

# Set up once: again only when what is installed has changed.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch numpy
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

# Two processes share the study's folder, one on each of two cores.
demo: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/inweights compare --out $(STUDY) > /dev/null & \
	OMP_NUM_THREADS=1 $(BIN)/inweights compare --out $(STUDY); wait

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not gpu"

test-all: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not gpu"

clean:
	rm -rf .venv studies
