# `make help` lists what there is. Everything runs in .venv, made from the Python that PYTHON names.
PYTHON ?= python3
BIN := .venv/bin
# Installs what pip would, in a fraction of the time; where it cannot, pip does.
UV := $(BIN)/pip install -q uv && $(BIN)/uv pip install -q --python $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help setup app test check bench soak screenshots clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/app: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	($(UV) -r requirements.txt -e .) || $(BIN)/pip install -q -r requirements.txt -e .
	@touch $@

.venv/dev: requirements.txt requirements-dev.txt requirements-data.txt pyproject.toml
	$(PYTHON) -m venv .venv
	($(UV) -r requirements-dev.txt -e .) || $(BIN)/pip install -q -r requirements-dev.txt -e .
	($(UV) --no-deps -r requirements-data.txt) || $(BIN)/pip install -q --no-deps -r requirements-data.txt
	@touch $@ .venv/app

setup: .venv/dev ## install everything, for development

app: .venv/app ## open the dashboard at http://localhost:8501
	$(BIN)/streamlit run streamlit_app.py --server.address localhost

# File by file, as tests of one file share what is dear; in the order of tests/conftest.py, the longest first.
test: .venv/dev ## run all tests; those in a browser need Chromium
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations 10

check: .venv/dev ## lint, formatting and types
	$(BIN)/python -m tests.lint_sql
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/dev ## measure what docs/speed.md says (about 20 minutes)
	$(BIN)/python -m bench

soak: .venv/dev ## 100,000 calls through kills, cuts and a full disk (some minutes)
	$(BIN)/python -m tests.soak

screenshots: .venv/dev ## take the README's pictures from demo data; needs Chromium
	$(BIN)/python -m tests.browser.screenshots

clean: ## remove the environment and the embedded database with all its data
	rm -rf .venv .data
