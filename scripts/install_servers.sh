#!/usr/bin/env bash
# Install the programs outside Python that some targets use, where this machine may; say in one line what it cannot have.
#
# usage: scripts/install_servers.sh test|bench
#
# Always ends with 0: whoever needs a missing program fails by itself and says so.
set -uo pipefail

# One line each: the command that must be there, the Debian package that brings it, what it is for.
programs_for_test=()
programs_for_bench=(
    "wrk wrk load generator"
    "hey hey load generator with a fixed pace"
)

case "${1:-}" in
test) programs=("${programs_for_test[@]}") ;;
bench) programs=("${programs_for_bench[@]}") ;;
*)
    echo "usage: $0 test|bench" >&2
    exit 2
    ;;
esac

if [ "$(id -u)" = 0 ]; then
    as_root=()
elif sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    as_root=(false)
fi

lists_are_fresh=no

install_package() {
    command -v apt-get >/dev/null || return 1
    if [ "$lists_are_fresh" = no ]; then
        "${as_root[@]}" apt-get update -qq >/dev/null 2>&1 || return 1
        lists_are_fresh=yes
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$1" >/dev/null 2>&1 </dev/null
}

for line in ${programs[@]+"${programs[@]}"}; do
    read -r program package purpose <<<"$line"
    command -v "$program" >/dev/null && continue
    if install_package "$package"; then
        echo "servers: installed $package ($purpose)"
    else
        echo "servers: $program ($purpose) is missing and cannot be installed here; install the package '$package' by hand."
    fi
done
