# Every verb builds .venv first where it has to; Python >= 3.11 and make are all that is needed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOCK   := deploy/requirements-dev.txt
ARGS   ?=
MINUTES ?= 30

.PHONY: install serve test check format soak load bench bench-cpu bench-grammar test-gpu bench-gpu demo-model golden lock clean

install: $(VENV)/installed

$(VENV)/installed: $(LOCK) pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Forge needs Python 3.11 or newer")'
	@echo "installing into $(VENV): a minute or so, in silence"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

serve: install
	$(BIN)/forge-launch $(ARGS)

test: install
	$(BIN)/python -m pytest -m "not gpu" $(ARGS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Serves mixed traffic while its processes are killed at random; then nothing may be lost or left over.
soak: install
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(ARGS)

# 500 streams at a time, then 10,000 requests at once; some minutes.
load: install
	$(BIN)/python -m tests.load $(ARGS)

bench: install
	$(BIN)/python -m tests.bench $(ARGS)

# Beside llama.cpp, which is fetched and built in .bench-cpu/ where there is a C++ compiler; parts:
# ARGS="--models 110M --formats q8_0 --threads 1", or ARGS=--alone for Forge by itself.
bench-cpu: install
	$(BIN)/python -m tests.bench.cpu $(ARGS)

# Beside other engines of grammars, which are installed into a venv of their own and are no part of
# Forge; whichever cannot be had is left out, and the table says so. ARGS="forge" runs Forge alone.
bench-grammar: .venv-grammar/installed
	.venv-grammar/bin/python -m tests.bench.grammar $(ARGS)

.venv-grammar/installed: deploy/requirements.txt
	$(PYTHON) -m venv .venv-grammar
	.venv-grammar/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	-.venv-grammar/bin/python -m pip install --quiet --disable-pip-version-check xgrammar torch==2.13.0
	-.venv-grammar/bin/python -m pip install --quiet --disable-pip-version-check llguidance
	-.venv-grammar/bin/python -m pip install --quiet --disable-pip-version-check outlines-core
	touch $@

# Needs a GPU of NVIDIA's and CuPy, which comes with `.venv/bin/python -m pip install -e .[cuda13]`.
# Where another Python has it, beside pytest and what deploy/requirements.txt names:
# `make test-gpu GPU_PYTHON=python3`. One part: ARGS="-k attention"; compute-sanitizer takes longest,
# ARGS="-k 'not sanitizer'" leaves it out. FORGE_REHEARSE_GPU=1 runs what can be run without a GPU.
test-gpu: $(if $(GPU_PYTHON),,install)
	$(or $(GPU_PYTHON),$(BIN)/python) -m pytest tests/gpu -m gpu $(ARGS)

# Needs a GPU likewise, and is over in ten minutes; torch is measured beside Forge where the Python
# has it. Some parts: ARGS="8B kernels"; ARGS=--help lists them.
bench-gpu: $(if $(GPU_PYTHON),,install)
	$(or $(GPU_PYTHON),$(BIN)/python) -m tests.bench.gpu $(ARGS)

# The next two make files that are in the tree; they need torch, in a venv of their own.
demo-model: .venv-torch/installed
	.venv-torch/bin/python -m forge_common.demo_model.making $(ARGS)

golden: .venv-torch/installed
	.venv-torch/bin/python -m tests.golden.make_golden $(ARGS)

.venv-torch/installed:
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet torch==2.13.0 transformers numpy safetensors tokenizers
	touch $@

# Needs `uv`; run it to move the locked versions, then read the diff.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --extra otel pyproject.toml -o deploy/requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --extra dev pyproject.toml -o $(LOCK)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -c deploy/requirements.txt --extra otel --extra cuda13 pyproject.toml -o deploy/requirements-cuda13.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
