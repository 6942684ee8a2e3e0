# make demo · make test · make test-all · make lint · make docs · make parity PLUGIN=NAME · make .venv      (each makes .venv itself if it is missing)

# make .venv TORCH=cpu TORCH_INDEX=URL takes PyTorch from an index without CUDA, which is more than half of 7 GB

PYTHON ?= python3
BIN := .venv/bin
PLUGINS := $(patsubst %/pyproject.toml,-e %,$(wildcard plugins/*/pyproject.toml))
SOURCES := pyproject.toml $(wildcard plugins/*/pyproject.toml)

.PHONY: demo test test-all lint docs parity clean

demo: .venv/.complete
	$(BIN)/rankkit score examples -r sharpness -r colorfulness -r prompt-color -o demo/scores.jsonl --html report.html
	$(BIN)/rankkit table demo/scores.jsonl
	$(BIN)/drpo train shapes ranker=shapes out=demo/run
	$(BIN)/drpo evaluate demo/run --prompts shapes-final -r shapes:mode=strict
	$(BIN)/drpo report demo/run -o demo/training.html --beside benchmarks/results/training.jsonl
	$(BIN)/rankkit gallery demo/scores.jsonl -o report.html --extra demo/training.html
	@echo "report.html holds the images, and what training changed: open it in a browser"

# Tests run on all cores, a process each; tensors in them are tiny, and one thread is faster than several.
test test-all: export OMP_NUM_THREADS ?= 1

test: .venv/.complete
	$(BIN)/python -m pytest -m "not slow" -n auto --dist worksteal

test-all: .venv/.complete
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: .venv/.complete
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pages that the code tells, and the site: site/index.html opens from the disk and loads nothing from elsewhere.
docs: .venv/.complete
	$(BIN)/python docs/make.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# Golden scores of one plugin (PLUGIN=pickscore) or of all, against its reference on weights drawn by name.
parity: .venv/.complete
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.parity $(PLUGIN)

.venv: .venv/.complete ;

# The mark is written last: an environment that was not finished is made anew.
.venv/.complete: $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed: make PYTHON=/path/to/python3"; exit 1; }
	@test -e .venv/bin/python || rm -rf .venv
	@test -z "$(TORCH)" -o "$(TORCH)" = cpu || { echo "TORCH=$(TORCH): it is cpu, or left out"; exit 1; }
	@test -z "$(TORCH)" -o -n "$(TORCH_INDEX)" || { echo "TORCH=cpu needs an index of PyTorch without CUDA: make .venv TORCH=cpu TORCH_INDEX=URL"; exit 1; }
	$(PYTHON) -m venv .venv
	@test -z "$(TORCH)" || $(BIN)/python -m pip install --quiet --disable-pip-version-check --index-url "$(TORCH_INDEX)" torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[all,dev,docs]" $(PLUGINS)
	@touch $@

clean:
	rm -rf .venv demo report.html
