#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: build.sh SOURCE_ROOT BUILD_DIR OUT_DIR WERROR
# Build the device image with the cross compiler in a build folder of its own, and copy ELF, binary,
# map, size report and stack report to OUT_DIR, each only when it has changed.
set -eu
source=$1 build=$2 out=$3 werror=$4

# Compiler flags in the environment are meant for the host.
unset CC CFLAGS CPPFLAGS LDFLAGS
if [ ! -f "$build/build.ninja" ] || [ "$(cat "$build/werror" 2>/dev/null)" != "$werror" ]; then
    rm -rf "$build"
    meson setup "$build" "$source" --cross-file "$source/device-fw/image/cm0plus.ini" \
        --buildtype=minsize -Db_pie=false -Db_staticpic=false -Db_sanitize=none -Db_coverage=false \
        -Dwerror="$werror" >"$build.log" 2>&1 ||
        { cat "$build.log"; exit 1; }
    echo "$werror" >"$build/werror"
fi
ninja -C "$build" >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
grep -A3 'warning:' "$build.log" || true

image=$build/device-fw/image
arm-none-eabi-size -A "$image/bootloader.elf" >"$image/bootloader.size"
find "$build" -name '*.su' -exec cat {} + | sort -t"$(printf '\t')" -k2,2nr >"$image/bootloader.stack"
for name in bootloader.elf bootloader.bin bootloader.map bootloader.size bootloader.stack \
    routines.elf routines_leaky.elf app-demo.elf app-demo.bin bootloader_leaky.bin prober.bin \
    bootloader_early_nonce.bin bootloader_early_counter.bin bootloader_unrepaired.bin \
    bootloader_second_look.bin layer-demo.bin layer_prober.bin layer_unparked.bin; do
    cmp -s "$image/$name" "$out/$name" || cp "$image/$name" "$out/$name"
done
