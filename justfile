# `just` lists these; `just check` is what CI runs.

export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

_list:
    @just --list --unsorted

# Everything CI runs: style, types, floors, layout, docs, tests.
check: static tests

# What can be said without running it; side by side.
[parallel]
static: lint types floors layout generated docs

# Format the tree.
format:
    ruff format .
    ruff check --fix .

lint:
    ruff format --check .
    ruff check .

types:
    basedpyright

# The floors of the house (import-linter) and unused or missing dependencies.
floors:
    lint-imports
    deptry src

# Every source file has its test, every room its docstring, nothing names what it must not.
layout:
    python tests/layout.py

# Committed generated files are current.
generated:
    python -m carapace_tools.generate --check

# Write the generated files anew.
generate:
    python -m carapace_tools.generate

docs:
    sphinx-build -n -W --keep-going -q -b html docs docs/_build/html

# All tests: two at a time, then those that measure, alone.
tests:
    python -m pytest -n 2 --dist worksteal -m "not alone"
    python -m pytest -m alone

# Some tests or all, one at a time, with branch coverage: `just test tests/unit/net`.
test *args:
    python -m pytest --cov --cov-report=term:skip-covered {{ args }}

# A thousand kills of the gateway in the middle of its messages; about five minutes.
kills:
    CARAPACE_KILLS=1000 python -m pytest -s tests/flow/test_delivery_kill.py

# The tests that draw their examples (hypothesis): many more of them, and others every time.
explore *args:
    HYPOTHESIS_PROFILE=explore python -m pytest -n 2 --dist worksteal -m hypothesis {{ args }}

# Make the lock files anew; the cooldown keeps out releases younger than three days.
lock:
    uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --exclude-newer "$(date -u -d '3 days ago' +%FT%TZ)" pyproject.toml requirements/run.in --extra local --extra media --extra openai --extra plugins --extra speed -o requirements/run.lock
    uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --exclude-newer "$(date -u -d '3 days ago' +%FT%TZ)" pyproject.toml requirements/run.in requirements/dev.in --all-extras -c requirements/run.lock -o requirements/dev.lock

# Side by side with the Node gateway; see bench/README.md.
bench *args:
    python bench/side_by_side.py {{ args }}

# Start a gateway from this checkout.
up *args:
    cara up {{ args }}

# How long a message takes through the gateway, and how many a second are written down.
delivery *args:
    python bench/delivery.py {{ args }}

# Mixed load for two hours (or `--minutes N`): nothing may grow.
soak *args:
    python bench/soak.py {{ args }}
