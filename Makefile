# Each target sets up what it needs: a virtual environment in $(VENV), filled from requirements.lock. `make help` lists them.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=

STAMP = $(VENV)/.installed
UV    = $(VENV)/bin/uv

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: run demo test check bench lock clean help

run: $(STAMP) ## start the bot of ./config.yaml; ARGS="--config FILE"
	@$(VENV)/bin/backscroll run $(ARGS)

demo: $(STAMP) ## see a thread being kept, without a token; ARGS="discord --handler mybot:answer"
	@$(VENV)/bin/backscroll demo $(ARGS)

test: $(STAMP) ## run the tests, on a real PostgreSQL too; ARGS="tests/unit -k append"
	@$(VENV)/bin/pytest $(ARGS)

# The oldest release that the manifests are for. The schemas come with the packages: nothing is fetched.
KUBERNETES = 1.30
check: $(STAMP) ## check format, lint, types and what deploys it; ARGS="backscroll/bot" (ruff)
	@$(VENV)/bin/ruff format --check $(ARGS)
	@$(VENV)/bin/ruff check $(ARGS)
	@$(VENV)/bin/mypy
	@$(VENV)/bin/hadolint Dockerfile
	@$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml
	@$(VENV)/bin/kubernetes-validate --quiet --strict --kubernetes-version $(KUBERNETES) deploy/kubernetes.yaml

bench: $(STAMP) ## measure against the raw drivers; ARGS="append"
	@$(VENV)/bin/python -m benchmarks $(ARGS)

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml
lock: $(STAMP) ## write the lock files anew; ARGS="--upgrade"
	@$(COMPILE) --group dev --all-extras --output-file requirements.lock $(ARGS)
	@$(COMPILE) --constraint requirements.lock --output-file requirements-runtime.lock $(ARGS)

clean: ## remove the virtual environment and the tools' caches; kept conversations stay
	@test ! -f "$(VENV)/pyvenv.cfg" || rm -rf "$(VENV)"
	@rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
	@find backscroll benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "make %-7s%s\n", $$1, $$2 }'

# The set-up reads no stdin and writes to stderr, so that `printf 'hello\n' | make run | cat` carries the chat alone.
# PYTHONPATH is kept out of it, and these would lead it to another place or to other versions. Of pip's settings, which
# uv does not read, a mirror and a certificate are handed on.
unexport PIP_PREFIX PIP_ROOT PIP_TARGET PIP_USER
unexport UV_CONSTRAINT UV_EXCLUDE_NEWER UV_OVERRIDE UV_PREFIX UV_REQUIRE_HASHES UV_SYSTEM_PYTHON UV_TARGET VIRTUAL_ENV

$(VENV)/bin/python:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) was not found. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.version_info >= (3, 11) or sys.exit("$(PYTHON) is Python %d.%d; Backscroll needs 3.11 or newer. Name one: make PYTHON=python3.12" % sys.version_info[:2])'
	@"$(PYTHON)" -I -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV), once; this takes up to a minute." >&2
	@rm -f "$(VENV)"/bin/python* "$(UV)" "$(STAMP)"
	@"$(PYTHON)" -I -m venv "$(VENV)" </dev/null >&2

$(UV): | $(VENV)/bin/python
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock | $(VENV)/bin/python -I -m pip install -qq --require-hashes --requirement /dev/stdin >&2

$(STAMP): $(VENV)/bin/python pyproject.toml requirements.lock | $(UV)
	@pip() { $(VENV)/bin/python -I -m pip config get "$$1" 2>/dev/null || true; }; \
	index=$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$${PIP_INDEX_URL:-$$(pip global.index-url)}}}; \
	cert=$${SSL_CERT_FILE:-$${PIP_CERT:-$$(pip global.cert)}}; \
	test -z "$$index" || export UV_DEFAULT_INDEX="$$index"; \
	test -z "$$cert" || export SSL_CERT_FILE="$$cert"; \
	unset PYTHONPATH; \
	exec </dev/null >&2; \
	$(UV) pip sync --quiet --compile-bytecode --python $(VENV)/bin/python --require-hashes requirements.lock && \
	$(UV) pip install --quiet --python $(VENV)/bin/python --no-deps --no-build-isolation --editable . && \
	touch "$@"
