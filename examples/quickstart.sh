#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A lot of four simulated PSoC 6 boards on this machine, with every part doing its real work: an embedded KMS, four boards
# behind simulated debug probes, and two stations with a tester each. The first station restricts the boards' debug ports
# and registers them with a signed record of what it read back; the second puts keys into them and locks them.
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

say "Off the line: the keys that sign images, and the KMS"
mkdir -m 700 "$work/signing"
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/signing/image.pem"
openssl pkey -in "$work/signing/image.pem" -pubout -out "$work/image-public.pem"
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/signing/application.pem"
openssl pkey -in "$work/signing/application.pem" -pubout -out "$work/application-public.pem"
chmod 600 "$work"/signing/*.pem
"$bin/lpa-kms" init --dev --dir "$work/kms"
"$bin/lpa-kms" authority --dir "$work/kms" >"$work/authority.pem"

say "Off the line: the bootloader image is bound to the KMS and signed, the application is signed"
"$bin/lpa-image" bind "$build/device-fw/bootloader.bin" "$work/bound.bin" --authority "$work/authority.pem" \
    --application-key "$work/application-public.pem"
"$bin/lpa-image" sign --key "$work/signing/image.pem" --out "$work/bootloader.bin" "$work/bound.bin"
"$bin/lpa-image" key --public "$work/image-public.pem" --out "$work/image.key"
"$bin/lpa-image" app-sign "$build/device-fw/app-demo.bin" --key "$work/signing/application.pem" --version 1.0.0 \
    --out "$work/application.bin"
hash=$("$bin/lpa-image" secure-hash --image-key "$work/image.key" | sed -n 1p)
rm -rf "$work/signing" # from here on nothing needs it

say "KMS: an attested lot, and the permit for what cannot be undone"
"$bin/lpa-kms" lot add --dir "$work/kms" $lot --image "$work/bootloader.bin" --image-key "$work/image.key" \
    --secure-hash "$hash" --application "$work/application.bin" --lorawan 1.0.4 --join-eui 70b3d57ed0000001 --deveui-first 70b3d57ed0010000 --deveui-count 16 \
    --target $boards --allowance $((boards + 2)) --trust attested --restrict secure --lock aps --expires +1d --unattended
"$bin/lpa-kms" permit add --dir "$work/kms" $lot --acts rehearse,restrict,lock --expires +12h
"$bin/lpa-kms" serve --dir "$work/kms" --listen 127.0.0.1:0 --port-file "$work/kms.port" &
started+=($!)
wait_for_file "$work/kms.port" $!

enrol() { # STATION ROLE: enrol a station with a signed certificate
    "$bin/lpa-provision" enrol --dir "$work/$1" --name "$1" \
        --kms "https://localhost:$(cat "$work/kms.port")" --ca "$work/kms/ca.pem"
    "$bin/lpa-kms" station add --dir "$work/kms" "$1" --csr "$work/$1/station.csr" \
        --log-key "$(cat "$work/$1/log.vkey")" --out "$work/$1.pem" --role "$2"
    "$bin/lpa-provision" enrol --dir "$work/$1" --cert "$work/$1.pem"
}

login() { # STATION TESTER ROLE: add a tester, who logs in
    # The tester's phone: takes the secret from the terminal that shows it once, and from then on only tells codes.
    mkfifo -m 600 "$work/code-$2"
    "$top/examples/authenticator.py" --answer "$work/code-$2" -- \
        "$bin/lpa-kms" tester add --dir "$work/kms" "$2" --role "$3" &
    started+=($!)
    "$bin/lpa-provision" login --dir "$work/$1" --tester "$2" --totp-command "cat $work/code-$2"
}

say "Two stations with a tester each: one in a trusted room, one at the line"
enrol room personalise
enrol line provision
login room petra personaliser
login line alice tester

say "Boards: $boards simulated chips behind CMSIS-DAP probes"
probes=()
for n in $(seq $boards); do
    "$bin/lpa-sim" serve --kitprog3 --listen 127.0.0.1:0 --port-file "$work/sim$n.port" --board "$work/board$n" \
        --uid "$(printf '51a0000000c0%04x' "$n")" &
    started+=($!)
    wait_for_file "$work/sim$n.port" $!
    probes+=(--probe "tcp:127.0.0.1:$(cat "$work/sim$n.port")")
done
files=(--image "$work/bootloader.bin" --image-key "$work/image.key" --application "$work/application.bin")

say "First pass, in the room: program bootloader and application, rehearse, restrict, identify, register"
"$bin/lpa-provision" personalise --dir "$work/room" --lot $lot "${files[@]}" --batch "${probes[@]}"
"$bin/lpa-provision" logout --dir "$work/room"

say "Second pass, at the line: grant, install, confirm, lock"
"$bin/lpa-provision" run --dir "$work/line" --lot $lot "${files[@]}" --batch "${probes[@]}"
"$bin/lpa-provision" logout --dir "$work/line"

say "Check both audit logs and the KMS's view"
"$bin/lpa-audit" verify --dir "$work/room"
"$bin/lpa-audit" verify --dir "$work/line"
"$bin/lpa-kms" lot show --dir "$work/kms" $lot
