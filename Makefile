# Everything a person or CI runs. Each target does all of its own set-up and is safe to repeat.
PYTHON ?= python3
PIP_INSTALL = -m pip install --disable-pip-version-check --quiet
ENVIRONMENT = .venv
# An environment is made anew for another Python: `make test PYTHON=python3.13`.
READY := .ready-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')

PARTS = test-units test-programs test-modules test-tensorflow test-jax test-torch test-pages

.PHONY: setup demo examples test $(PARTS) pages arithmetics coverage oldest newest test-newest lint format docs pictures dist publish bench recipes validate clean

setup: .venv/$(READY)         ## everything a developer needs, all three backends

.venv/$(READY): pyproject.toml
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python $(PIP_INSTALL) --editable '.[dev]'
	touch $@

.venv-demo/$(READY): pyproject.toml
	$(PYTHON) -m venv --clear .venv-demo
	.venv-demo/bin/python $(PIP_INSTALL) --editable '.[demo]'
	touch $@

demo: .venv-demo/$(READY)       ## train the question's CNN, show its coin flips, write demo/
	.venv-demo/bin/howsure demo

# Each notebook in a process of its own: TensorFlow and PyTorch do not share one with all packages of theirs.
examples: .venv/$(READY)        ## run the notebooks of examples/, and write their results
	for notebook in examples/*.ipynb; do .venv/bin/python -m tests.notebook $$notebook || exit 1; done

# Each part of the tests is one process of one thread, and two run at once, or `make test JOBS=7`: a container does not
# tell how many processors it may use. Parts that take long come first, so that no processor waits for another at the end.
# Modules are compiled once, and not by each process: some environments tell Python to keep nothing.
PYTEST = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(ENVIRONMENT)/bin/python -m pytest -q $(COVERED)
JOBS = 2
PROGRAMS = tests/scale tests/demo tests/cli

test: $(ENVIRONMENT)/$(READY)  ## framework-free tests once, the rest once per backend
	$(MAKE) --no-print-directory --keep-going --jobs $(JOBS) $(PARTS)

test-units:
	$(PYTEST) tests $(PROGRAMS:%=--ignore=%) --ignore=tests/torch --ignore=tests/keras --ignore=tests/frameworks

test-programs:
	$(PYTEST) $(PROGRAMS)

test-modules:
	$(PYTEST) tests/torch

test-pages:
	$(PYTEST) README.md docs

test-tensorflow:
	KERAS_BACKEND=tensorflow $(PYTEST) tests/keras

# What Keras and PyTorch have in common needs one backend, on which both run.
test-torch:
	KERAS_BACKEND=torch $(PYTEST) tests/keras tests/frameworks

# On JAX most of the time is compiling; each test runs once what it compiles, so LLVM need not optimize it.
test-jax:
	XLA_FLAGS=--xla_backend_optimization_level=0 KERAS_BACKEND=jax $(PYTEST) tests/keras

# Which instructions compute sums decides their last digits. Here as a processor without AVX-512 has them, and as
# one without AVX2. numpy 2.5.5, which needs Python 3.12, ends in a product of matrices where OpenBLAS is told to be
# `Haswell` on an EPYC; with 2.4.6 it works.
AVX2 = ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 OPENBLAS_CORETYPE=Haswell TF_ENABLE_ONEDNN_OPTS=0
SSE41 = ONEDNN_MAX_CPU_ISA=SSE41 ATEN_CPU_CAPABILITY=default OPENBLAS_CORETYPE=Nehalem TF_ENABLE_ONEDNN_OPTS=0

pages: .venv/$(READY)         ## the Python of README and docs/ once more, with the arithmetic of an older processor
	$(AVX2) $(MAKE) test-pages

# EVERY_TEST also runs the tests marked slow, and all tests of Keras on every backend.
arithmetics: .venv/$(READY)   ## slow: all tests under three arithmetics
	EVERY_TEST=1 $(MAKE) test
	EVERY_TEST=1 $(AVX2) $(MAKE) test
	EVERY_TEST=1 $(SSE41) $(MAKE) test

coverage: .venv/$(READY)        ## the same tests, slower, and which lines they ran
	.venv/bin/python -m coverage erase
	EVERY_TEST=1 $(MAKE) test JOBS=1 COVERED='--cov=howsure --cov-append --cov-report='
	.venv/bin/python -m coverage report

# The oldest versions that pyproject.toml allows, all at once.
.venv-oldest/$(READY): pyproject.toml release/oldest.py
	$(PYTHON) -m venv --clear .venv-oldest
	.venv-oldest/bin/python -m release.oldest > .venv-oldest/constraints.txt
	.venv-oldest/bin/python $(PIP_INSTALL) --constraint .venv-oldest/constraints.txt --editable '.[dev]'
	touch $@

oldest: .venv-oldest/$(READY) ## the same tests with the oldest versions that are supported
	EVERY_TEST=1 $(MAKE) test ENVIRONMENT=.venv-oldest

# The newest Python with the newest versions, of what needs no framework: the part that installs and runs fast. All of
# it is `make test PYTHON=python3.13`.
NEWEST = python3.13
FEW = golden adapters methods results evaluation external test_assess.py test_atomic.py test_errors.py test_passes.py

newest:                         ## tests that need no framework, with the newest Python, where there is one
	@if $(NEWEST) -c 'import ensurepip' 2>&-; then $(MAKE) --no-print-directory test-newest; \
	else echo 'There is no $(NEWEST) that makes environments, so nothing was tested with it.'; fi

.venv-newest/.ready: pyproject.toml
	$(NEWEST) -m venv --clear .venv-newest
	.venv-newest/bin/python $(PIP_INSTALL) --editable '.[pandas]' hypothesis pytest scikit-learn sybil
	touch $@

test-newest: ENVIRONMENT = .venv-newest
test-newest: .venv-newest/.ready
	$(PYTEST) $(FEW:%=tests/%)

lint: .venv/$(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: .venv/$(READY)
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

.venv-docs/$(READY): pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python $(PIP_INSTALL) --editable '.[docs]'
	touch $@

docs: .venv-docs/$(READY)       ## the site, into site/; a link that leads nowhere is an error, and so is a search that finds no page for users
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict
	.venv-docs/bin/python -m release.asked site

demo/report.html:
	$(MAKE) demo

pictures: demo/report.html .venv/$(READY)    ## pictures of the demo's report, of passes and of maps, into docs/pictures/; needs Chromium or Chrome
	.venv-demo/bin/python -m release.passes docs/pictures/passes.svg
	.venv/bin/python -m release.maps docs/pictures/maps.webp
	.venv-demo/bin/python -m release.pictures demo/report.html docs/pictures

.venv-dist/$(READY):
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python $(PIP_INSTALL) build twine
	touch $@

dist: .venv-dist/$(READY)       ## the wheel and the source, into dist/; the wheel is tried alone, and with EXTRAS="jax torch"
	rm -rf build dist
	.venv-dist/bin/python -m build
	.venv-dist/bin/python -m release.wheel dist $(EXTRAS)

publish: .venv-dist/$(READY)    ## the release of a tag: `make publish TAG=v0.1.0` is a dry run, and UPLOAD=--upload sends it
	.venv-dist/bin/python -m release.publish $(TAG) $(UPLOAD)

# A peer that cannot be installed does not stop the others; the benchmarks say that it is missing. Modules of
# PyTorch are measured in the same environment, with their peers beside them.
.venv-peers/$(READY):
	$(PYTHON) -m venv .venv-peers
	-.venv-peers/bin/python $(PIP_INSTALL) 'torch-uncertainty[cpu]'
	-.venv-peers/bin/python $(PIP_INSTALL) baal
	.venv-peers/bin/python $(PIP_INSTALL) --editable '.[torch]' 'transformers>=4.44'
	touch $@

bench: .venv/$(READY) .venv-peers/$(READY)    ## slow: what certainty costs, writes docs/performance.md
	.venv/bin/python -m benchmarks
	.venv/bin/python -m benchmarks.pareto
	.venv-peers/bin/python -m benchmarks.regression
	.venv/bin/python -m benchmarks.scale small 20000
	.venv/bin/python -m benchmarks.scale digits 20000
	.venv/bin/python -m benchmarks.scale small 1000000 0

# Node's package has all that processors need; its install script fetches what graphics processors need.
.venv-recipes/$(READY): pyproject.toml recipes/requirements.txt
	$(PYTHON) -m venv --clear .venv-recipes
	.venv-recipes/bin/python $(PIP_INSTALL) --editable '.[mlflow,torch]' --requirement recipes/requirements.txt
	-npm install --prefix .venv-recipes --ignore-scripts --no-audit --no-fund onnxruntime-node
	touch $@

recipes: .venv-recipes/$(READY) ## the servers of docs/deploy.md, compared with howsure and measured; writes that page
	.venv-recipes/bin/python -m pytest -q tests/test_mlflow.py
	.venv-recipes/bin/python -m recipes

validate: .venv/$(READY)        ## slow: are the error bars honest, which method is better? writes pages into docs/
	.venv/bin/python -m validation.models tensorflow
	.venv/bin/python -m validation.models jax
	.venv/bin/python -m validation.models torch
	.venv/bin/python -m validation.torch_models
	.venv/bin/python -m validation.segmentation_models torch
	.venv/bin/python -m validation.segmentation_models tensorflow
	KERAS_BACKEND=tensorflow .venv/bin/python -m validation.fresh
	KERAS_BACKEND=tensorflow .venv/bin/python -m validation.methods
	KERAS_BACKEND=tensorflow .venv/bin/python -m validation.known_digits
	.venv/bin/python -m validation.numbers_coverage
	.venv/bin/python -m validation.promises
	.venv/bin/python -m validation.intervals
	.venv/bin/python -m validation.groups
	.venv/bin/python -m validation.watch
	.venv/bin/python -m validation.label
	.venv/bin/python -m validation.objects
	.venv/bin/python -m validation.offsets
	.venv/bin/python -m validation.origins
	.venv/bin/python -m validation.rules
	.venv/bin/python -m validation.numbers
	.venv/bin/python -m validation.rare
	KERAS_BACKEND=tensorflow .venv/bin/python -m validation.between
	.venv/bin/python -m validation.sentences
	.venv/bin/python -m validation.reasons
	.venv/bin/python -m validation.compare_numbers
	.venv/bin/python -m validation.compare_positions
	.venv/bin/python -m validation.mutation
	.venv/bin/python -m validation.saves
	.venv/bin/python -m validation.reproduction
	.venv/bin/python -m validation.segmentation
	.venv/bin/python -m validation.evidence

clean:
	rm -rf .venv .venv-demo .venv-dist .venv-docs .venv-newest .venv-oldest .venv-peers .venv-recipes .mypy_cache .pytest_cache .ruff_cache .coverage
	rm -rf build demo dist site *.egg-info
