# Sapwood: `make up` runs it, `make test` tests it, `make check` judges it, `make bench` measures it.
PYTHON ?= python3
BIN := .venv/bin
# An institution's own certificate authority stands in the system's list, not in the one that uv brings.
CERTS := $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),--system-certs)
UV := VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --compile-bytecode $(CERTS)
# Compiled once: a command then starts in half the time, and the tests start many.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: up test check bench pins docs clean

up: .venv/.run
	$(BIN)/sapwood up

test: .venv/.dev
	$(BIN)/python -m tests.run

check: .venv/.dev
	$(BIN)/python tests/check.py

bench: .venv/.dev
	$(BIN)/python benchmarks/run.py

docs: .venv/.dev
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

pins:
	uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.11 --group bootstrap -o requirements/bootstrap.txt
	uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.11 pyproject.toml --extra postgresql --group dev -o requirements/dev.txt
	uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.11 -c requirements/dev.txt pyproject.toml -o requirements/run.txt
	uv pip compile -q --universal --generate-hashes --no-annotate --python-version 3.11 -c requirements/dev.txt pyproject.toml --extra postgresql -o requirements/postgresql.txt
	uv pip compile -q --generate-hashes --no-annotate --python-version 3.11 --exclude-newer 2026-11-20 requirements/train-build.in -o requirements/train-build.txt
	uv pip compile -q --generate-hashes --no-annotate --python-version 3.11 --exclude-newer 2024-05-15 requirements/train-mid.in -o requirements/train-mid.txt
	uv pip compile -q --generate-hashes --no-annotate --python-version 3.11 --exclude-newer 2026-11-20 requirements/train-new.in -o requirements/train-new.txt
	uv pip compile -q --generate-hashes --no-annotate --python-version 3.11 --exclude-newer 2026-11-20 requirements/train-new-good.in -o requirements/train-new-good.txt

.venv/.bootstrap: requirements/bootstrap.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	touch $@

.venv/.run: .venv/.bootstrap requirements/run.txt pyproject.toml
	$(UV) --require-hashes -r requirements/run.txt
	$(UV) --no-deps --no-build-isolation --offline -e .
	touch $@

.venv/.postgresql: .venv/.run requirements/postgresql.txt
	$(UV) --require-hashes -r requirements/postgresql.txt
	touch $@

.venv/.dev: .venv/.run requirements/dev.txt
	$(UV) --require-hashes -r requirements/dev.txt
	touch $@

clean:
	rm -rf .venv docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
