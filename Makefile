# The developers' manual.  Every target makes its own environment in .venv when there is none.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check lint docs fuzz clean

run: .venv/installed     ## demo backends, and rsp -w 4 rsp.lua in front of them
	@$(BIN)/rsp demo -w 4 rsp.lua

test: .venv/installed-dev     ## all tests; those that need nginx, wget and ab are skipped where they are missing
	$(BIN)/python -m pytest

check: lint test     ## what has to be green before a commit

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/installed     ## write docs/configuration.md from the schema
	$(BIN)/python -m rsp.config.reference > docs/configuration.md

fuzz: .venv/installed     ## mutate the kept corpus through the codec until Ctrl-C; failures stay in fuzz/corpus
	$(BIN)/python fuzz/http1.py

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .[dev]
	@touch $@
