#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install what is missing, build, and run every test.
#
#   tests/run.sh              gcc build, all test suites, house rules               (< 20 minutes on two cores)
#   tests/run.sh --all        also clang, sanitizers, valgrind, man pages, programs against their man pages, device image
#                             report, branch coverage of the device's core, frama-c's Eva, fuzz targets, the models'
#                             slice (an hour)
#   tests/run.sh --soak       everything, exhaustive harnesses without a time limit (hours)
#   --seconds N               time for each exhaustive harness and fuzz target (LPA_SECONDS; 0 = no limit)
#   --no-install              neither install packages nor fetch sources
#   --only WORD               of --all: only the parts whose name begins with WORD (parts are listed below)
#
# Each check is one line beginning with "ok", "FAIL" or "lack"; a test that was skipped has failed, unless the machine truly
# lacks what it needs ("lack", with the reason). The last line is "N passed, N failed"; the exit code is 0 when none failed.
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 2
mode=plain install=yes only='' fuzz_seconds=20
while [ $# -gt 0 ]; do
    case $1 in
    --all) mode=all ;;
    --soak) mode=soak ;;
    --no-install) install=no ;;
    --seconds) export LPA_SECONDS=${2:?--seconds needs a number}; fuzz_seconds=$2; shift ;;
    --only) only=${2:?--only needs a word}; shift ;;
    --help | -h) sed -n '3,16s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "run.sh: unknown option $1; see --help" >&2; exit 2 ;;
    esac
    shift
done
if [ "$mode" = soak ]; then
    export LPA_SECONDS=${LPA_SECONDS:-0}
    [ "$fuzz_seconds" != 20 ] || fuzz_seconds=3600
fi
export PYTHONDONTWRITEBYTECODE=1
# The environment of whoever calls must not change what is built.
unset CC CFLAGS CPPFLAGS LDFLAGS

logs=$top/build-logs
mkdir -p "$logs"
results=$logs/results
: >"$results"

take() { # show the lines of a part and keep its verdicts
    tee -a "$results" | cut -c1-200
}

step() { # NAME COMMAND...: one check, its output in a log, shown when it fails
    local name=$1 begin=$SECONDS
    shift
    if "$@" >"$logs/$name.log" 2>&1; then
        echo "ok   $name ($((SECONDS - begin)) s)" | take
    else
        { echo "FAIL $name ($((SECONDS - begin)) s)"; tail -n 60 "$logs/$name.log" | sed 's/^/     | /'; } | take
        return 1
    fi
}

lines() { # NAME COMMAND...: a tool that prints verdict lines of its own
    local name=$1 code
    shift
    "$@" >"$logs/$name.log" 2>&1
    code=$?
    take <"$logs/$name.log"
    if ! grep -q '^\(ok  \|FAIL\|lack\) ' "$logs/$name.log"; then
        echo "FAIL $name: no check was run" | take
    elif [ $code -ne 0 ] && ! grep -q '^FAIL ' "$logs/$name.log"; then
        echo "FAIL $name: ended with exit code $code" | take
    fi
}

have() { # PROGRAM PART: does the machine have it? Otherwise say so.
    command -v "$1" >/dev/null && return 0
    echo "lack $2: skipped, this machine lacks $1" | take
    return 1
}

configure() { # FOLDER COMPILER OPTION...
    local folder=$1 compiler=$2
    shift 2
    if [ -f "$folder/build.ninja" ]; then
        meson configure "$folder" "$@"
    else
        rm -rf "$folder"
        CC=$compiler meson setup "$folder" "$@"
    fi
}

build() { # NAME FOLDER COMPILER OPTION...: two checks, configure and build
    local name=$1 folder=$2 compiler=$3
    shift 3
    step "$name-configure" configure "$folder" "$compiler" "$@" && step "$name-build" ninja -C "$folder"
}

suites() { # LABEL FOLDER OPTION...: Meson's tests, one line each
    local label=$1 folder=$2
    shift 2
    # With a wrapper, Meson adds the wrapper's name to that of the log.
    rm -f "$folder/meson-logs/$label"*.json
    # Limits only end what hangs (-t): a slow machine is no failure. Exhaustive harnesses meet none.
    [ "${LPA_SECONDS:-}" != 0 ] || set -- "$@" -t 0
    meson test -C "$folder" --no-rebuild --logbase "$label" "$@" >"$logs/$label-tests.log" 2>&1
    local log
    log=$(find "$folder/meson-logs" -name "$label*.json" | head -n 1)
    if [ -n "$log" ]; then
        python3 tests/count.py "$log" "$label" | take
    else
        { echo "FAIL $label-tests: Meson ran no test"; tail -n 20 "$logs/$label-tests.log"; } | take
    fi
}

wanted() { # PART: is it asked for?
    case $1 in "$only"*) printf '\n== %s\n' "$1" ;; *) return 1 ;; esac
}

part_gcc() {
    build gcc build gcc --buildtype=debugoptimized -Dwerror=true && suites gcc build -t 5
}

part_style() {
    step style-selftest python3 tests/style/selftest.py
    lines style python3 tests/style/check.py
}

part_clang() {
    have clang clang || return
    build clang build-clang clang --buildtype=debugoptimized -Dwerror=true && suites clang build-clang -t 5 --suite unit
}

part_sanitizers() {
    have clang sanitizers || return
    local common=detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=1 leaks=1
    # The leak search traces its own process, which programs that keep secrets forbid to all but root; whole-line tests trace
    # them too. valgrind looks for leaks as well.
    [ "$(id -u)" -eq 0 ] || leaks=0
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    build sanitizers build-asan clang --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false \
        -Dc_args=-fno-sanitize-recover=all || return
    ASAN_OPTIONS=$common:detect_leaks=$leaks suites sanitizers build-asan -t 10 --suite unit
    ASAN_OPTIONS=$common:detect_leaks=0 LPA_SECONDS=${LPA_SECONDS:-10} suites sanitized build-asan -t 10 \
        --no-suite unit --no-suite scan --no-suite bench
    unset UBSAN_OPTIONS
}

part_valgrind() {
    have valgrind valgrind || return
    [ -f build/build.ninja ] || { echo "FAIL valgrind: there is no gcc build" | take; return; }
    suites valgrind build --suite unit -t 40 --wrapper "$top/tests/memcheck.sh"
}

part_man() {
    have mandoc man || return
    local page
    for page in man/*.[1-9]; do
        [ -e "$page" ] || { echo "FAIL man: there are no man pages" | take; return; }
        step "man-$(basename "$page")" mandoc -T lint -W warning "$page"
    done
    step programs-selftest python3 tests/style/programs.py --selftest
    lines programs python3 tests/style/programs.py build
}

part_device() {
    have arm-none-eabi-gcc device || return
    step device-report-selftest python3 tests/style/device_report.py --selftest
    lines device python3 tests/style/device_report.py build/device-fw
}

part_coverage() {
    have gcov coverage || return
    step coverage-selftest python3 tests/coverage/coverage.py --selftest
    step coverage-configure configure build-coverage gcc --buildtype=debug -Db_coverage=true -Dfirmware=false &&
        lines coverage python3 tests/coverage/coverage.py build-coverage
}

part_eva() {
    have frama-c eva || return
    lines eva python3 tests/eva/eva.py
}

part_fuzz() {
    have clang fuzz || return
    # run.py builds the targets alone, not the whole tree.
    step fuzz-configure configure build-fuzz clang --buildtype=debugoptimized -Dfuzz=true -Dfirmware=false \
        -Db_lundef=false &&
        lines fuzz python3 tests/fuzz/run.py build-fuzz --seconds "$fuzz_seconds"
}

part_model() {
    have spin model || return
    if [ "$mode" = soak ]; then
        lines model tests/model/run.sh
    else
        lines model tests/model/run.sh --slice
    fi
}

# One function, so that the shell has read all of it before it begins: the file may change meanwhile.
main() {
    local begin part parts started passed failed
    begin=$SECONDS
    if [ "$install" = yes ]; then
        echo "== packages and sources"
        scripts/install-packages.sh || exit 2
        scripts/fetch-bearssl.sh || exit 2
    fi
    parts="gcc style"
    [ "$mode" = plain ] || parts="gcc style clang sanitizers valgrind man device coverage eva fuzz model"
    for part in $parts; do
        started=$SECONDS
        wanted "$part" || continue
        "part_$part"
        echo "-- $part took $((SECONDS - started)) s"
    done

    passed=$(grep -c '^ok  ' "$results")
    failed=$(grep -c '^FAIL ' "$results")
    if [ "$failed" -gt 0 ]; then
        printf '\nfailed:\n'
        grep '^FAIL ' "$results" | sed 's/^/  /'
    fi
    if grep -q '^lack ' "$results"; then
        printf '\nnot run, and not counted, because this machine lacks what they need:\n'
        grep '^lack ' "$results" | sed 's/^/  /'
    fi
    printf '\nafter %d s\n%d passed, %d failed\n' $((SECONDS - begin)) "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

main
exit $?
