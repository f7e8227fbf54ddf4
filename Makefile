# One word each; `make help` lists them.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
# The newest Python that routekey runs on.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	if $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then echo $$p; break; fi; done)

.PHONY: help demo test lint types format bench docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo     the chat example on a gateway of its own, and what to type next"
	@echo "make test     install what the tests need and run them all"
	@echo "make lint     ruff; make format mends what it can"
	@echo "make types    mypy, strict"
	@echo "make bench    ratios against bare baselines, measured in one run"
	@echo "make docs     run what the documentation shows"

$(VENV)/installed: pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "routekey wants Python 3.11, 3.12 or 3.13: install one, or name it with make PYTHON=/path/to/python3"; exit 2; fi
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/installed
	@PORT=$(PORT) $(BIN)/python examples/chat/demo.py

test: $(VENV)/installed-dev
	@$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	@$(BIN)/mypy

format: $(VENV)/installed-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/installed-dev
	@$(BIN)/python -m bench

docs: $(VENV)/installed-dev
	@$(BIN)/python -m pytest tests/docs

clean:
	rm -rf $(VENV) .routekey .mypy_cache .ruff_cache .pytest_cache bench/build
