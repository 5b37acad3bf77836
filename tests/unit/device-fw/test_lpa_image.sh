#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: test_lpa_image.sh LPA_IMAGE BOOTLOADER_BIN
# lpa-image: what it refuses and with which exit code, what it changes, what it shows.
set -u
tool=$1 image=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# expect CODE TEXT COMMAND...: exit code, and a text on stdout or stderr
expect() {
    code=$1 text=$2
    shift 2
    "$@" >"$work/out" 2>&1
    got=$?
    if [ "$got" -ne "$code" ] || ! grep -q -e "$text" "$work/out"; then
        echo "not as expected ($code, \"$text\"): $*"
        echo "exit code $got:"
        cat "$work/out"
        failures=$((failures + 1))
    fi
}

openssl ecparam -name prime256v1 -genkey -noout -out "$work/a.key"
openssl ec -in "$work/a.key" -pubout -out "$work/a.pem" 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out "$work/b.key"
openssl ec -in "$work/b.key" -pubout -outform DER 2>/dev/null | tail -c 65 | od -An -v -tx1 | tr -d ' \n' >"$work/b.hex"
openssl ecparam -name secp384r1 -genkey -noout 2>/dev/null | openssl ec -pubout -out "$work/other.pem" 2>/dev/null

expect 2 'did you mean "bind"' "$tool" bnd
expect 2 'authority' "$tool" bind "$image" "$work/out.bin"
expect 2 'IN, OUT' "$tool" bind "$image" --authority "$work/a.pem"
expect 2 'two authority keys' "$tool" bind "$image" "$work/out.bin" --authority "$work/a.pem" --authority "$work/b.hex" \
    --authority "$work/a.pem"
expect 2 'same key' "$tool" bind "$image" "$work/out.bin" --authority "$work/a.pem" --authority "$work/a.pem"
expect 2 'nowhere' "$tool" bind "$image" "$work/out.bin" --authority "$work/nowhere"
expect 2 'authority key' "$tool" bind "$image" "$work/out.bin" --authority "$work/other.pem"
expect 2 'no version' "$tool" bind "$image" "$work/out.bin" --authority "$work/a.pem" --min-bootloader 1.2
expect 2 'no version' "$tool" bind "$image" "$work/out.bin" --authority "$work/a.pem" --min-bootloader 256.0.0
expect 2 'would refuse to work' "$tool" bind "$image" "$work/out.bin" --authority "$work/a.pem" --min-bootloader 99.0.0
expect 2 'unknown' "$tool" bind "$image" "$work/out.bin" --authority "$work/a.pem" --labs
expect 2 'nowhere' "$tool" info "$work/nowhere"
expect 2 'one FILE' "$tool" info
expect 5 'no whole device image' "$tool" info "$work/a.pem"
head -c 20000 "$image" >"$work/short.bin"
expect 5 'wrong length' "$tool" info "$work/short.bin"
(cat "$image"; echo) >"$work/long.bin"
expect 5 'wrong length' "$tool" bind "$work/long.bin" "$work/out.bin" --authority "$work/a.pem"
[ ! -e "$work/out.bin" ] || { echo "a refused bind wrote a file"; failures=$((failures + 1)); }

expect 0 'bound           no' "$tool" info "$image"
expect 0 "$work/one.bin" "$tool" bind "$image" "$work/one.bin" --authority "$work/a.pem" --lab
expect 0 'lab             yes' "$tool" info "$work/one.bin"
expect 0 '"bound":true,"lab":true' "$tool" info "$work/one.bin" --json
expect 0 "\"digest\":\"$(sha256sum "$work/one.bin" | cut -d' ' -f1)\"" "$tool" info --json "$work/one.bin"
expect 0 "$work/two.bin" "$tool" bind "$work/one.bin" "$work/two.bin" --authority "$work/b.hex" --authority "$work/a.pem"
expect 0 'lab             no' "$tool" info "$work/two.bin"
expect 0 "\"slot\":0,\"id\":\"[0-9a-f]*\",\"key\":\"$(cat "$work/b.hex")\"" "$tool" info "$work/two.bin" --json

# Nothing but the binding block, bytes 1025 to 2048, differs.
outside=$(cmp -l "$image" "$work/two.bin" | awk '$1 <= 1024 || $1 > 2048' | wc -l)
[ "$outside" -eq 0 ] || { echo "$outside bytes outside the binding block differ"; failures=$((failures + 1)); }
# A damaged block counts as none: one byte of the key turned over.
cp "$work/two.bin" "$work/bad.bin"
was=$(od -An -v -tu1 -j1100 -N1 "$work/two.bin")
printf "\\$(printf %03o $((255 - was)))" | dd of="$work/bad.bin" bs=1 seek=1100 conv=notrunc 2>/dev/null
expect 0 'bound           no' "$tool" info "$work/bad.bin"

[ "$failures" -eq 0 ]
