# make demo: watch a small network grow.   make test: everything that CI runs.
PYTHON ?= python3
BIN := .venv/bin
# What the tests need; later rooms add their extras here.
EXTRAS := dev,pipeline,ray,search,tracking,web

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast lint bench prove-quick results constraints picture grafana

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/installed ## make .venv and install kaslite into it

# torch first and alone: it decides which build every other package sees.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kaslite needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $@

demo: setup ## grow a network on real handwritten digits
	$(BIN)/kaslite run --problem_type digits

lint: setup ## format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## all that CI runs
	$(BIN)/pytest -n 2

test-fast: setup ## the inner loop, < 90 s
	$(BIN)/pytest -n 2 -m 'not slow'

bench: setup ## every speed row, as a paired ratio against its bar
	$(BIN)/pytest benchmarks -q -s -p no:randomly -o addopts=--import-mode=importlib  # without the tests' shape checks

prove-quick: setup ## every claim on a small scale, < 5 minutes: to see that all of it works
	$(BIN)/kaslite prove --quick --results_dir build/proof

results: setup ## docs/results.md and what the README says of it, from the rows of `kaslite prove --full`
	$(BIN)/python scripts/write_results.py

picture: setup ## redraw the picture in the README
	$(BIN)/python scripts/draw_dashboard.py

grafana: setup ## redraw the dashboard of Grafana
	$(BIN)/python scripts/draw_grafana.py

constraints: ## regenerate constraints.txt from pyproject.toml
	scripts/lock.sh
