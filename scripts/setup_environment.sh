#!/usr/bin/env bash
# Make .venv hold exactly what requirements/PROFILE.txt says, and the project itself in editable form.
#
# usage: scripts/setup_environment.sh server|dev
#
# Needs Python 3.11 or later with venv, and a package index; $PYTHON names the interpreter (default: python3).
# A second run with the same requirements ends at once: the stamp holds a digest of all that went in.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

profile="${1:?usage: $0 server|dev}"
requirements="requirements/${profile}.txt"
python="${PYTHON:-python3}"

fail() {
    echo "setup: $*" >&2
    exit 1
}

[ -f "$requirements" ] || fail "there is no $requirements; the profiles are server and dev."
command -v "$python" >/dev/null || fail "$python is not on the path: install Python 3.11 or later, or set PYTHON."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is $("$python" -V 2>&1); the project needs Python 3.11 or later (set PYTHON to choose another)."

digest_of() {
    {
        pwd -P # An editable installation and the programs in .venv/bin name the folder they are in.
        "$python" -VV
        cat "requirements/$1.txt" pyproject.toml
    } | cksum
}

stamp_of() {
    echo ".venv/.installed-$1"
}

is_current() {
    [ -x .venv/bin/python ] && [ -f "$(stamp_of "$1")" ] && [ "$(cat "$(stamp_of "$1")")" = "$(digest_of "$1")" ]
}

# The dev profile contains the server one.
if is_current "$profile" || { [ "$profile" = server ] && is_current dev; }; then
    exit 0
fi

# A folder that was moved, or an interpreter that is gone or another, leaves an environment that cannot be trusted.
if [ -d .venv ]; then
    home_matches=$(.venv/bin/python -c \
        'import os, sys; print(os.path.realpath(sys.prefix) == os.path.realpath(".venv"), sys.version)' 2>/dev/null || true)
    [ "$home_matches" = "True $("$python" -c 'import sys; print(sys.version)')" ] || rm -rf .venv
fi

if [ ! -d .venv ]; then
    echo "setup: creating .venv with $("$python" -V)"
    "$python" -m venv .venv ||
        { rm -rf .venv; fail "python has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv)."; }
fi

rm -f "$(stamp_of server)" "$(stamp_of dev)"
echo "setup: installing $requirements"
pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet)
"${pip[@]}" install --require-hashes --only-binary :all: --requirement "$requirements"
"${pip[@]}" install --no-deps --no-build-isolation --editable .
digest_of "$profile" >"$(stamp_of "$profile")"
