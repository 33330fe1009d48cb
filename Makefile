# One environment, .venv, for everything; `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow check format bench bench-scale bench-peers core dist clean

VENV ?= .venv
PYTHON ?=
PYTHONS ?=
PYTEST_ARGS ?=
EXTRAS := experiments,rl,ray,bandits,dev
BIN := $(VENV)/bin

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

install:  ## set up .venv under constraints.txt, once
	@.ci/venv "$(VENV)" "$(EXTRAS)" "$(PYTHON)"

demo: install  ## train, evaluate, compare: a report in about four minutes
	@$(BIN)/longplay compare --preset demo

test: install  ## the tests, but for the slow ones
	@$(BIN)/pytest -n 2 -m "not slow" $(PYTEST_ARGS)

test-slow: install  ## the tests that start Ray, kill things and fill disks, one at a time
	@$(BIN)/pytest -m slow $(PYTEST_ARGS)

check: install  ## format, lint, types, import rules, and the tests of `make test`
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -n 2 -m "not slow" $(PYTEST_ARGS)

format: install  ## put the code into shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install  ## speed and memory, with the machine they were measured on
	@$(BIN)/python -m longplay.experiments.bench --json bench.json

bench-scale: install  ## cost of a user-day against users, workers, slate and candidates
	@$(BIN)/python -m longplay.experiments.bench.scale --out runs/scale

bench-peers: install  ## other simulators, installed for the moment, beside ours in one run
	@$(BIN)/python -m longplay.experiments.bench.peers --out runs/peers

core:  ## the core's tests on every Python present, without torch; PYTHONS="..." to choose
	@.ci/core $(PYTHONS)

dist: install clean  ## build the sdist and the wheel into dist/
	@mkdir -p dist
	@$(BIN)/python -c "from setuptools import build_meta as b; b.build_sdist('dist'); b.build_wheel('dist')" >dist/build.log 2>&1 || { cat dist/build.log >&2; exit 1; }
	@rm -rf build ./*.egg-info dist/build.log && ls dist

clean:  ## remove caches and builds; environments and runs stay
	@rm -rf build dist ./*.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find agents envs experiments rewards tests -name __pycache__ -prune -exec rm -rf {} +
