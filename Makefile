# The one front of the project; each target is a line or two that can be run by hand.
#   make serve   sets up and serves: the demonstration datafile, until DATAFILE_URL says another
#   make test    everything CI checks
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The newest Python from 3.11 on that really starts (a pyenv shim may exist and yet run nothing).
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
HOST ?= 127.0.0.1
PORT ?= 8080
EXTRAS := server aws cli jwt otel sdk dev
BENCH ?= engine requests events environments cold_start stalls console
BENCH_requests := --json docs/benchmarks/requests.json --plots docs/benchmarks
BENCH_environments := --json docs/benchmarks/environments.json
BENCH_console := --json docs/benchmarks/console.json
BENCH_stalls := --json docs/benchmarks/stalls.json
say = @printf '\n\033[1m== %s\033[0m\n' "$(1)"

# The console's page: its tools come from npm, where there is a Node that they run on.
WEB := src/bucketer/web
WEB_BIN := tools/web/node_modules/.bin
WEB_TOOLS := tools/web/node_modules/.package-lock.json
WEB_FORMATTED := '$(WEB)/**/*.{js,css,html}' 'tests/web/*.js' 'tools/web/*.js' '!**/vendor/**'
NODE = $(shell node -e 'const [a, b] = process.versions.node.split(".").map(Number); \
	console.log(a > 20 || (a === 20 && b >= 19) ? "yes" : "")' 2>/dev/null)
comma := ,

.PHONY: help setup serve test page check format-check lint types contracts tests fix lock docs e2e parity soak bench cold build deploy clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## prepare .venv with the `bucketer` command in it

$(STAMP): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 on was found. Install one, or say: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@test -x $(BIN)/python || { echo "Creating $(VENV) with $$($(PYTHON) -V)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing into $(VENV) (a minute or so the first time)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

serve: setup ## serve DATAFILE_URL, or the demonstration; the first line ends with a URL to try
	@exec $(BIN)/bucketer serve --host $(HOST) --port $(PORT)

test: setup ## everything CI checks: format, lint, types, import contracts, tests
	$(call say,format: ruff format --check)
	@$(BIN)/ruff format --check .
	$(call say,lint: ruff check)
	@$(BIN)/ruff check .
	$(call say,types: mypy --strict)
	@$(BIN)/mypy
	$(call say,imports: what may import what (.importlinter))
	@$(BIN)/lint-imports --no-logo
	$(call say,page: prettier$(comma) eslint$(comma) node --test (src/bucketer/web))
	@$(MAKE) --no-print-directory page
	$(call say,tests: pytest in parallel)
	@$(BIN)/python -m pytest -n auto --dist worksteal -q -m 'not e2e'

check: test

page: ## check the page of the console: format, lint, its own tests; skipped where Node is missing
ifeq ($(NODE),yes)
	@$(MAKE) --no-print-directory $(WEB_TOOLS)
	@$(WEB_BIN)/prettier --config tools/web/prettier.config.js --log-level warn --check $(WEB_FORMATTED)
	@$(WEB_BIN)/eslint --config tools/web/eslint.config.js $(WEB) tests/web tools/web
	@node --test --test-reporter=dot tests/web/*.test.js
else
	@echo "skipped: no Node.js from 20.19 on is here"
endif

$(WEB_TOOLS): tools/web/package.json tools/web/package-lock.json
	@npm ci --prefix tools/web --silent
	@touch $@

fix: setup ## format, and the lint fixes that are safe
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
ifeq ($(NODE),yes)
	@$(MAKE) --no-print-directory $(WEB_TOOLS)
	@$(WEB_BIN)/prettier --config tools/web/prettier.config.js --log-level warn --write $(WEB_FORMATTED)
	@$(WEB_BIN)/eslint --config tools/web/eslint.config.js --fix $(WEB) tests/web tools/web
endif

lock: setup ## resolve requirements.lock anew, within the bounds of pyproject.toml
	@$(PIP) install uv
	@UV_CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/uv --quiet pip compile pyproject.toml $(EXTRAS:%=--extra %) --upgrade --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --output-file requirements.lock

docs: setup ## write the generated parts of the pages in docs/
	@$(BIN)/python docs/generate.py

e2e: setup ## deploy to a local AWS, send webhooks, see new revisions decide; pages in Chromium; other languages' clients (five minutes)
	@$(BIN)/python -m pytest tests/e2e tests/clients -q -m e2e

parity: setup ## two million decisions against optimizely-sdk, with new seeds
	@$(BIN)/python -m tests.parity

soak: setup ## twenty kills, and half a minute of each way in which a collector fails (7 minutes)
	@$(BIN)/python -m tests.soak

bench: setup ## decisions, requests, compile: tables, JSON and plots
	@set -e; $(foreach part,$(BENCH),printf '\n\033[1m== benchmarks.$(part)\033[0m\n'; $(BIN)/python -m benchmarks.$(part) $(BENCH_$(part));)

cold: setup ## what the Lambda door imports at cold start, and what each import costs
	@echo "import time: self [us] | cumulative | module, beyond what AWS's runtime client has loaded already"
	@$(BIN)/python -m compileall -q src app.py  # as the zip is: byte-compiled
	@$(BIN)/python -X importtime -c 'import abc, collections, contextlib, decimal, enum, functools, json, logging, math, operator, re, string, threading, time, traceback, types, numbers; import colorsys, app' 2>&1 >/dev/null \
		| awk '/ colorsys$$/ {ours = 1; next} ours' | sort -t'|' -k2 -n

build: setup ## package.zip, ready for Lambda
	@./build.sh

deploy: setup ## deploy the functions with the template, print the URL to try
	@$(BIN)/bucketer deploy

clean: ## remove what can be made again
	@rm -rf build dist package package.zip .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
