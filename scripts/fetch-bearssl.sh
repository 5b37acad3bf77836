#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Put the BearSSL source archive that subprojects/bearssl-debian.wrap names into Meson's package cache.
#
# The archive comes from the distribution's own source package: deb-src entries are derived from
# this machine's apt sources, in a private apt folder, so that nothing of the system changes and
# apt checks the signatures as always. The checksum pinned in the wrap file decides in the end.
# Does nothing when the archive is there already. On a system without apt, Meson downloads the
# same archive from upstream by itself.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
wrap=$top/subprojects/bearssl-debian.wrap
name=$(sed -n 's/^source_filename *= *//p' "$wrap")
hash=$(sed -n 's/^source_hash *= *//p' "$wrap")
cache=$top/subprojects/packagecache

matches() {
    [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$hash" ]
}

if matches "$cache/$name"; then
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "fetch-bearssl: no apt-get here; meson will download $name from upstream" >&2
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial" "$work/download"
# The apt download user must be able to enter the folder.
chmod 755 "$work"
chmod 777 "$work/download"
etc=$(apt-config shell d Dir::Etc/d | sed "s/^d='\(.*\)'$/\1/")
etc=${etc%/}

# derive PATTERN: deb-src entries for all suites that match the regular expression.
derive() {
    : >"$work/sources.list"
    # One-line entries: "deb [options] uri suite component...".
    for file in "$etc/sources.list" "$etc"/sources.list.d/*.list; do
        [ -f "$file" ] || continue
        awk -v pattern="^($1)" '
            $1 == "deb" {
                at = 2
                if ($2 ~ /^\[/) { while ($at !~ /\]$/) at++; at++ }
                if ($(at + 1) ~ pattern) { $1 = "deb-src"; print }
            }' "$file" >>"$work/sources.list"
    done
    # Stanzas of name and value.
    for file in "$etc"/sources.list.d/*.sources; do
        [ -f "$file" ] || continue
        awk -v RS= -v pattern="[ \t]($1)" '
            {
                text = ""; wanted = 0; count = split($0, line, "\n")
                for (i = 1; i <= count; i++) {
                    if (line[i] ~ /^#/) continue
                    if (tolower(line[i]) ~ /^types:/) line[i] = "Types: deb-src"
                    if (tolower(line[i]) ~ /^suites:/ && line[i] ~ pattern) wanted = 1
                    text = text line[i] "\n"
                }
                if (wanted) printf "%s\n", text
            }' "$file" >"$work/parts/$(basename "$file")"
    done
    [ -s "$work/sources.list" ] || [ -n "$(cat "$work"/parts/* 2>/dev/null)" ]
}

# This release's own suites; where none goes by its name ("stable"), every suite.
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
if [ -z "$codename" ] || ! derive "$codename"; then
    derive '' || {
        echo "fetch-bearssl: no apt source under $etc to derive a source entry from" >&2
        exit 1
    }
fi

apt_private() {
    apt-get -q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts="$work/parts" \
        -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Get::List-Cleanup=0 \
        -o APT::Update::Post-Invoke-Success::= -o APT::Sandbox::User=root "$@"
}

apt_private update >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    echo "fetch-bearssl: apt-get update of the source lists failed; check the network and the apt sources" >&2
    exit 1
}
(cd "$work/download" && apt_private source --download-only --tar-only bearssl) >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    echo "fetch-bearssl: apt-get source bearssl failed; check the network and the apt sources" >&2
    exit 1
}

mkdir -p "$cache"
for file in "$work"/download/*.orig.tar.*; do
    if matches "$file"; then
        cp "$file" "$cache/$name.part"
        mv "$cache/$name.part" "$cache/$name"
        exit 0
    fi
done
echo "fetch-bearssl: the archive of the source package is not the pinned one (SHA-256 $hash):" >&2
sha256sum "$work"/download/*.orig.tar.* >&2
exit 1
