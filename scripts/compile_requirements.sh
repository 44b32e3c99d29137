#!/usr/bin/env bash
# Resolve pyproject.toml for every supported Python and write requirements/*.txt with hashes.
#
# usage: scripts/compile_requirements.sh [--upgrade | --upgrade-package NAME] ...
#
# Without options, versions that still fit stay as they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    scripts/setup_environment.sh dev
    .venv/bin/python -m pip --disable-pip-version-check --quiet install "uv>=0.9"
    uv=.venv/bin/uv
fi

compile() {
    local output="requirements/$1.txt"
    shift
    "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-build \
        --custom-compile-command "make requirements" --output-file "$output" "$@"
}

compile dev --extra server --extra client --group dev "$@"
# The versions of dev hold for the server too: one resolution, two files.
compile server --extra server --group build --constraint requirements/dev.txt "$@"
