.DEFAULT_GOAL := help
.PHONY: help setup run doctor test check bench clean

PY := .venv/bin/python

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "  make %-8s %s\n", $$1, $$2 }'

setup: ## Install all that the other commands need (they call it themselves)
	@command -v python3 >/dev/null || { echo "setup: python3 is missing: install Python 3.11, 3.12 or 3.13" >&2; exit 1; }
	@python3 -m dev.setup

run: setup ## Storage, inbox and functions on this machine, until Ctrl-C
	@$(PY) -m dev.run

doctor: setup ## Looks at all that sending depends on; ARGS="--to you@example.com" sends a test email
	@$(PY) -m dev.doctor $(ARGS)

test: setup ## Every test; ARGS="-k name" for some
	@$(PY) -m pytest $(ARGS)

check: setup ## Format, lint, types, and which package may import which
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports --no-logo

bench: setup ## Benchmarks; ARGS="..." are handed on
	@if [ -d benchmarks ]; then $(PY) -m benchmarks $(ARGS); else echo "There are no benchmarks yet."; fi

clean: ## Delete what set-up and tools made; keeps local.settings.json and .local (your mails)
	rm -rf .venv .venv-worker dev/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
