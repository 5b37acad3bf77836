#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install what scripts/packages.txt names and this machine lacks. As root, or with sudo.
#
#   scripts/install-packages.sh           install
#   scripts/install-packages.sh --list    print what is missing, install nothing
set -euo pipefail

list=$(dirname "$0")/packages.txt
missing=()
while read -r package; do
    case $package in '' | '#'*) continue ;; esac
    state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    case $state in ii*) ;; *) missing+=("$package") ;; esac
done <"$list"

if [ "${1:-}" = --list ]; then
    [ ${#missing[@]} -eq 0 ] || printf '%s\n' "${missing[@]}"
    exit 0
fi
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "packages are missing and neither root nor sudo is at hand; install these: ${missing[*]}" >&2
        exit 2
    fi
    as_root=(sudo)
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get -qq update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${missing[@]}" >/dev/null
