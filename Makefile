# Everything a person or CI runs. Each target does all of its own set-up and is safe to repeat.
PYTHON ?= python3
PIP_INSTALL = -m pip install --disable-pip-version-check --quiet

.PHONY: setup demo test coverage oldest lint format docs pictures dist bench validate clean

setup: .venv/.ready           ## everything a developer needs, all three backends

.venv/.ready: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP_INSTALL) --editable '.[dev]'
	touch $@

.venv-demo/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python $(PIP_INSTALL) --editable '.[demo]'
	touch $@

demo: .venv-demo/.ready       ## train the question's CNN, show its coin flips, write demo/
	.venv-demo/bin/howsure demo

# Two processes share the files of tests, so each gets one thread; a page runs in one of them, in its order.
TWO_AT_A_TIME = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist loadfile
# On JAX most of the time is compiling; each test runs once what it compiles, so LLVM need not optimize it.
test: .venv/.ready            ## framework-free tests once, the rest once per backend
	$(TWO_AT_A_TIME) $(COVERED) --ignore=tests/keras
	KERAS_BACKEND=tensorflow $(TWO_AT_A_TIME) $(COVERED) tests/keras
	KERAS_BACKEND=torch $(TWO_AT_A_TIME) $(COVERED) tests/keras
	XLA_FLAGS=--xla_backend_optimization_level=0 KERAS_BACKEND=jax $(TWO_AT_A_TIME) $(COVERED) tests/keras

coverage: .venv/.ready        ## the same tests, slower, and which lines they ran
	.venv/bin/python -m coverage erase
	$(MAKE) test COVERED='--cov=howsure --cov-append --cov-report='
	.venv/bin/python -m coverage report

# Of Keras, howsure reads a few parts that are private; these tests say whether they are still there.
.venv-oldest/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python $(PIP_INSTALL) --editable '.[dev]' 'keras==3.12.4' 'torch==2.10.*'
	touch $@

oldest: .venv-oldest/.ready   ## tests/keras and those of files on the oldest Keras and PyTorch that are supported
	KERAS_BACKEND=tensorflow .venv-oldest/bin/python -m pytest tests/keras tests/torch/test_command_line.py tests/torch/test_hostile_programs.py

lint: .venv/.ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: .venv/.ready
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

.venv-docs/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python $(PIP_INSTALL) --editable '.[docs]'
	touch $@

docs: .venv-docs/.ready       ## the site, into site/; any link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

demo/report.html:
	$(MAKE) demo

pictures: demo/report.html    ## the pictures of the demo's report, into docs/pictures/; needs Chromium or Chrome
	.venv-demo/bin/python -m release.pictures demo/report.html docs/pictures

.venv-dist/.ready:
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python $(PIP_INSTALL) build
	touch $@

dist: .venv-dist/.ready       ## the wheel and the source, into dist/; the wheel is tried alone, and with EXTRAS="jax torch"
	rm -rf build dist
	.venv-dist/bin/python -m build
	.venv-dist/bin/python -m release.wheel dist $(EXTRAS)

# A peer that cannot be installed does not stop the others; the benchmarks say that it is missing. Modules of
# PyTorch are measured in the same environment, with their peers beside them.
.venv-peers/.ready:
	$(PYTHON) -m venv .venv-peers
	-.venv-peers/bin/python $(PIP_INSTALL) 'torch-uncertainty[cpu]'
	-.venv-peers/bin/python $(PIP_INSTALL) baal
	-.venv-peers/bin/python $(PIP_INSTALL) pytorch-ood
	.venv-peers/bin/python $(PIP_INSTALL) --editable '.[torch]' 'transformers>=4.44'
	touch $@

bench: .venv/.ready .venv-peers/.ready    ## slow: what certainty costs, writes docs/performance.md
	.venv/bin/python -m benchmarks
	.venv/bin/python -m benchmarks.scale small 20000
	.venv/bin/python -m benchmarks.scale digits 20000
	.venv/bin/python -m benchmarks.scale small 1000000 0

validate: .venv/.ready        ## slow: are the error bars honest, which method is better, what is tuned? writes pages into docs/
	KERAS_BACKEND=tensorflow .venv/bin/python -m validation
	.venv/bin/python -m validation.models tensorflow
	.venv/bin/python -m validation.models jax
	.venv/bin/python -m validation.models torch
	.venv/bin/python -m validation.torch_models
	KERAS_BACKEND=tensorflow .venv/bin/python -m validation.fresh
	KERAS_BACKEND=tensorflow .venv/bin/python -m validation.methods
	KERAS_BACKEND=tensorflow .venv/bin/python -m validation.known_digits
	.venv/bin/python -m validation.tuning
	.venv/bin/python -m validation.intervals
	.venv/bin/python -m validation.sentences
	.venv/bin/python -m validation.faults
	.venv/bin/python -m validation.faults tensorflow jax torch
	.venv/bin/python -m validation.scale

clean:
	rm -rf .venv .venv-demo .venv-dist .venv-docs .venv-oldest .venv-peers .mypy_cache .pytest_cache .ruff_cache .coverage
	rm -rf build demo dist site *.egg-info
