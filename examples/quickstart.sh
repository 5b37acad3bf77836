#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Provision a lot of four simulated PSoC 6 boards on this machine, with every part doing its real work:
# an embedded KMS, four boards behind simulated debug probes, one tester with certificate and TOTP.
#
#   ./examples/quickstart.sh            as root or with sudo available; Debian 12
#   ./examples/quickstart.sh --keep     keep the working folder and print its name
#   ./examples/quickstart.sh --built    neither install nor build: use what lies in build/ (or in $LPA_BUILD)
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
boards=4
lot=QUICKSTART
keep=no install=yes
for option in "$@"; do
    case $option in
    --keep) keep=yes ;;
    --built) install=no ;;
    *)
        echo "quickstart: unknown option '$option' (--keep and --built are known)" >&2
        exit 2
        ;;
    esac
done

say() { printf '\n== %s\n' "$*"; }

build=${LPA_BUILD:-$top/build}
if [ $install = yes ]; then
    say "Packages and build"
    "$top/scripts/install-packages.sh"
    "$top/scripts/fetch-bearssl.sh"
    [ -f "$build/build.ninja" ] || meson setup "$build" "$top" >/dev/null
    ninja -C "$build" >/dev/null
fi
bin=$build/cmd

work=$(mktemp -d "${TMPDIR:-/tmp}/lpa-quickstart.XXXXXX")
chmod 700 "$work"
started=()
finish() {
    # Only what this script started, each by its own id.
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
    if [ "$keep" = yes ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

wait_for_file() { # FILE PID: until FILE exists; fails when the program ends first
    for _ in $(seq 200); do
        [ -s "$1" ] && return 0
        kill -0 "$2" 2>/dev/null || break
        sleep 0.05
    done
    echo "quickstart: a program did not start; its messages are above" >&2
    return 1
}

say "KMS: keys, certificate authority, image, lot"
"$bin/lpa-kms" init --dev --dir "$work/kms"
"$bin/lpa-kms" authority --dir "$work/kms" >"$work/authority.pem"
"$bin/lpa-image" bind "$build/device-fw/bootloader.bin" "$work/bootloader.bin" --authority "$work/authority.pem" --lab
"$bin/lpa-kms" lot add --dir "$work/kms" $lot --image "$work/bootloader.bin" --lorawan 1.0.4 \
    --join-eui 70b3d57ed0000001 --deveui-first 70b3d57ed0010000 --deveui-count 16 \
    --target $boards --allowance $((boards + 2)) --trust tofu --consent-tofu --expires +1d --unattended
"$bin/lpa-kms" serve --dir "$work/kms" --listen 127.0.0.1:0 --port-file "$work/kms.port" &
started+=($!)
wait_for_file "$work/kms.port" $!

say "Station: enrol with a signed certificate; tester: one TOTP secret"
"$bin/lpa-provision" enrol --dir "$work/station" --name station-1 \
    --kms "https://localhost:$(cat "$work/kms.port")" --ca "$work/kms/ca.pem"
"$bin/lpa-kms" station add --dir "$work/kms" station-1 --csr "$work/station/station.csr" \
    --log-key "$(cat "$work/station/log.vkey")" --out "$work/station-1.pem" --role provision
"$bin/lpa-provision" enrol --dir "$work/station" --cert "$work/station-1.pem"

# The tester's phone: takes the secret from the terminal that shows it once, and from then on only tells codes.
mkfifo -m 600 "$work/code"
"$top/examples/authenticator.py" --answer "$work/code" -- \
    "$bin/lpa-kms" tester add --dir "$work/kms" alice --role tester &
started+=($!)
"$bin/lpa-provision" login --dir "$work/station" --tester alice --totp-command "cat $work/code"

say "Boards: $boards simulated chips behind CMSIS-DAP probes"
probes=()
for n in $(seq $boards); do
    "$bin/lpa-sim" serve --listen 127.0.0.1:0 --port-file "$work/sim$n.port" --board "$work/board$n" \
        --uid "$(printf '51a0000000c0%04x' "$n")" &
    started+=($!)
    wait_for_file "$work/sim$n.port" $!
    probes+=(--probe "tcp:127.0.0.1:$(cat "$work/sim$n.port")")
done

say "Provision the lot"
"$bin/lpa-provision" run --dir "$work/station" --lot $lot --image "$work/bootloader.bin" --batch "${probes[@]}"

say "Check the audit log and the KMS's view"
"$bin/lpa-provision" logout --dir "$work/station"
"$bin/lpa-audit" verify --dir "$work/station"
"$bin/lpa-kms" lot show --dir "$work/kms" $lot
