# `make` alone explains the targets.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
N ?= 1000

.DEFAULT_GOAL := help
.PHONY: help demo test test-e2e test-others campaign bench bench-crypto check controlplane generate clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | \
		while IFS="$$(printf '\t')" read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

demo: $(INSTALLED) ## set up, then show a sealed VaultSecret become a Secret
	$(BIN)/python -m tests.controlplane run -- bash examples/demo.sh

test: check ## set up, check, then test on a real API server
	$(BIN)/coverage erase
	@# Both wait for clocks and servers most of the time.
	$(MAKE) --jobs=2 test-e2e test-others
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95 --include='src/vaultferry/*'
	$(BIN)/coverage report --fail-under=100 --include='src/vaultferry/core/*,src/vaultferry/formats/*,src/vaultferry/secrettypes/*'

# So that both take as long.
IN_OTHERS = tests/e2e/test_moves.py tests/e2e/test_rbac.py
OTHERS = $(filter-out tests/e2e/ tests/__pycache__/,$(wildcard tests/*/)) $(wildcard tests/test_*.py) $(IN_OTHERS)

test-e2e:
	$(BIN)/coverage run -m pytest $(PYTEST) $(IN_OTHERS:%=--ignore=%) tests/e2e

test-others:
	$(BIN)/coverage run -m pytest $(PYTEST) $(OTHERS)

check: $(INSTALLED) ## format, lint, types, import contracts, generated files current
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m vaultferry.generate --check .

campaign: $(INSTALLED) ## the long tests: fairness, fifty ends of a leader, cert-manager, rotation, crashes, faults, MODEL_OPERATIONS from a SEED
	CAMPAIGN=1 MODEL_OPERATIONS="$(MODEL_OPERATIONS)" SEED="$(SEED)" $(BIN)/pytest -s tests/e2e/test_fairness.py tests/e2e/test_takeovers.py \
		tests/e2e/test_cert_manager.py \
		tests/e2e/test_rotation.py tests/faults/test_crash.py tests/faults/test_api_faults.py \
		tests/external tests/model

bench: $(INSTALLED) ## measure N=1000 objects, or N=1000,10000; see benchmarks/README.md
	@N="$(N)" $(BIN)/python -m benchmarks

bench-crypto: $(INSTALLED) ## measure how fast each suite seals and opens, beside RSA
	@$(BIN)/python -m benchmarks.crypto

controlplane: $(INSTALLED) ## keep a real API server running, print its KUBECONFIG
	@$(BIN)/python -m tests.controlplane up

generate: $(INSTALLED) ## write the CRDs and docs/types.md from the code
	$(BIN)/python -m vaultferry.generate .

clean: ## take away what the other targets made, the control plane's cache excepted
	rm -rf .venv .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Vaultferry needs Python 3.11 or later: make PYTHON=…")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
