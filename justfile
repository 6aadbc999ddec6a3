# The project's verbs. They use the Python of .venv if there is one, and else the one on PATH.

venv := justfile_directory() / ".venv/bin/python"
python := if path_exists(venv) == "true" { venv } else { "python" }

[private]
default:
    @{{quote(just_executable())}} --justfile {{quote(justfile())}} --list --unsorted

# Put the code into shape: format it, and repair what can be repaired
fix:
    {{python}} -m ruff format
    {{python}} -m ruff check --fix

# Everything that a change must pass beside the tests
check:
    {{python}} -m ruff format --check
    {{python}} -m ruff check
    {{python}} -m mypy --strict
    {{python}} -m pytest -q tests/test_imports.py tests/test_public.py

# Run the tests on all cores; arguments go to pytest
[positional-arguments]
test *args:
    {{python}} -m pytest -n auto "$@"

# Hold each sansio module to 100 % coverage by its own tests
cov *modules:
    {{python}} tests/coverage.py {{modules}}

# Compile the core in a copy of this tree, and hold it to the same tests there; needs a C compiler
compiled:
    #!/usr/bin/env bash
    set -euo pipefail
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    cp -r README.md LICENSE pyproject.toml sansio runtime tests fuzz docs "$tree"
    cd "$tree"
    HATCH_BUILD_HOOK_ENABLE_MYPYC=1 {{python}} -m pip wheel -q --no-deps --wheel-dir wheel .
    {{python}} -c 'import sansio.http1; assert sansio.http1.__file__.endswith((".so", ".pyd")), "not compiled"'
    {{python}} -m pytest -q -n auto -p no:cacheprovider tests/sansio tests/test_machine.py

# Fuzz one target for so many seconds, or all of them
[positional-arguments]
fuzz *args:
    {{python}} -m fuzz "$@"

# Let hypothesis look for what breaks a law, for so many minutes
[positional-arguments]
fuzz-hypothesis *args:
    {{python}} -m fuzz.properties "$@"

# Attack tricorn and its peers, in all ways or in those that are named
[positional-arguments]
attack *args:
    {{python}} -m tests.attacks "$@"

# Serve mixed traffic for so many minutes on each backend, and see that nothing is left behind
[positional-arguments]
soak minutes="20" *args:
    {{python}} -m tests.soak "$@"

# Take guards away, one by one, and see that tests notice
[positional-arguments]
guards *args:
    {{python}} -m tests.guards "$@"

# Measure tricorn and its peers
[positional-arguments]
bench *args:
    {{python}} -m tests.benchmarks "$@"

# Build the documentation, what is made from the code first; a warning is an error
docs:
    {{python}} -m docs.generate
    {{python}} -m sphinx -W -n --keep-going -b html docs docs/_build/html
