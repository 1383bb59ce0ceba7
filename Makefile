# Lakehouse: make demo runs the main job, make test runs the tests. Both set up what is missing; a second call starts at once.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
STAMP := .venv/installed
# Compiled for this processor, so never from or into a cache that another machine may share.
GRAPH = if command -v uv >/dev/null; then uv pip install -q --no-cache --python $(BIN)/python hnswlib -c constraints.txt; \
 else $(BIN)/python -m pip install -q --disable-pip-version-check --no-cache-dir hnswlib -c constraints.txt; fi

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-all check format install clean

help:
	@echo "make demo      set up, run the demo over Flight SQL, end"
	@echo "make serve     set up, run the demo and keep its server running"
	@echo "make test      set up, run the tests"
	@echo "make test-all  run the slow tests as well"
	@echo "make check     format, lint, types, import rules, documentation"
	@echo "make install   only set up"

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed (Debian: apt-get install python3 python3-venv)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V). Set PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "The venv module is needed (Debian: apt-get install python3-venv)"; exit 1; }
	@echo "Setting up .venv (once, about a minute) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@if command -v uv >/dev/null; then uv pip install -q --python $(BIN)/python -e '.[dev]' -c constraints.txt; \
	 else $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]' -c constraints.txt; fi
	@$(GRAPH) 2>/dev/null || echo "hnswlib was not compiled (Debian: apt-get install g++ python3-dev); usearch takes its place. rm $(STAMP) tries again."
	@touch $(STAMP)

install: $(STAMP)

demo: $(STAMP)
	@$(BIN)/lakehouse demo

serve: $(STAMP)
	@$(BIN)/lakehouse demo --serve

test: $(STAMP)
	@$(BIN)/pytest -q -n $(JOBS) --dist loadfile

test-all: $(STAMP)
	@$(BIN)/pytest -q -n $(JOBS) --dist loadfile -m ''

check: $(STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports
	@$(BIN)/pytest -q tests/acceptance/test_docs.py tests/acceptance/test_catalogue.py

format: $(STAMP)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
