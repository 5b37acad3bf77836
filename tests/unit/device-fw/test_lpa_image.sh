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

# Application images.
head -c 3000 /dev/zero | tr '\0' 'x' >"$work/app"
expect 2 'app-sign wants' "$tool" app-sign "$work/app" --key "$work/a.key" --out "$work/app.bin"
chmod 644 "$work/a.key"
expect 2 '0600' "$tool" app-sign "$work/app" --key "$work/a.key" --version 1.2.3 --out "$work/app.bin"
chmod 600 "$work/a.key"
expect 2 'no version' "$tool" app-sign "$work/app" --key "$work/a.key" --version 1.2 --out "$work/app.bin"
: >"$work/empty"
expect 5 'vector table' "$tool" app-sign "$work/empty" --key "$work/a.key" --version 1.2.3 --out "$work/app.bin"
expect 0 'app.bin' "$tool" app-sign "$work/app" --key "$work/a.key" --version 1.2.3 --out "$work/app.bin"
# OpenSSL agrees with digest and signature: entries behind 1024 + 3000 bytes, each with a head of four.
head -c 4024 "$work/app.bin" >"$work/covered"
openssl dgst -sha256 -binary "$work/covered" >"$work/digest"
dd if="$work/app.bin" bs=1 skip=4032 count=32 2>/dev/null | cmp - "$work/digest" || failures=$((failures + 1))
dd if="$work/app.bin" bs=1 skip=4104 2>/dev/null >"$work/signature"
openssl dgst -sha256 -verify "$work/a.pem" -signature "$work/signature" "$work/covered" >/dev/null ||
    { echo "OpenSSL refuses the application's signature"; failures=$((failures + 1)); }
expect 0 'bound.bin' "$tool" bind "$image" "$work/bound.bin" --authority "$work/a.pem" --application-key "$work/a.pem"
expect 2 'application key' "$tool" bind "$image" "$work/out.bin" --authority "$work/a.pem" --application-key "$work/other.pem"

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

# ---- signatures; openssl(1) is the judge
say() {
    echo "$1"
    failures=$((failures + 1))
}

openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/rsa.pem" 2>/dev/null
openssl pkey -in "$work/rsa.pem" -pubout -out "$work/rsa.pub"
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out "$work/long.pem" 2>/dev/null
openssl pkey -in "$work/long.pem" -pubout -out "$work/long.pub"
chmod 600 "$work"/*.pem
size=$(stat -c %s "$work/two.bin")

expect 2 'sign wants' "$tool" sign "$work/two.bin" --key "$work/rsa.pem"
expect 2 'one image' "$tool" sign --key "$work/rsa.pem" --out "$work/signed.bin"
expect 2 'unknown' "$tool" sign "$work/two.bin" --kye "$work/rsa.pem" --out "$work/signed.bin"
expect 2 'not bound' "$tool" sign "$image" --key "$work/rsa.pem" --out "$work/signed.bin"
expect 2 'RSA-2048' "$tool" sign "$work/two.bin" --key "$work/long.pem" --out "$work/signed.bin"
expect 2 'RSA-2048' "$tool" sign "$work/two.bin" --key "$work/a.key" --out "$work/signed.bin"
chmod 644 "$work/rsa.pem"
expect 2 '644' "$tool" sign "$work/two.bin" --key "$work/rsa.pem" --out "$work/signed.bin"
chmod 600 "$work/rsa.pem"
[ ! -e "$work/signed.bin" ] || say "a refused sign wrote a file"
expect 0 "$work/signed.bin" "$tool" sign "$work/two.bin" --key "$work/rsa.pem" --out "$work/signed.bin"
[ "$(stat -c %s "$work/signed.bin")" -eq $((size + 256)) ] || say "a signed image has another length"
head -c "$size" "$work/signed.bin" >"$work/body"
tail -c 256 "$work/signed.bin" >"$work/signature"
openssl dgst -sha256 -verify "$work/rsa.pub" -signature "$work/signature" "$work/body" >"$work/out" 2>&1 ||
    say "openssl does not accept the signature"
[ "$(cmp -l "$work/two.bin" "$work/body" | wc -l)" -eq 1 ] || say "signing changed more than the attribute"
expect 2 'signed already' "$tool" sign "$work/signed.bin" --key "$work/rsa.pem" --out "$work/again.bin"
expect 2 'break its signature' "$tool" bind "$work/signed.bin" "$work/again.bin" --authority "$work/a.pem"
expect 5 'wrong length' "$tool" info "$work/body"

expect 2 'key wants' "$tool" key --public "$work/rsa.pub"
expect 2 'RSA-2048' "$tool" key --public "$work/long.pub" --out "$work/key.bin"
expect 2 'RSA-2048' "$tool" key --public "$work/a.pem" --out "$work/key.bin"
expect 0 'key.bin' "$tool" key --public "$work/rsa.pub" --out "$work/key.bin"
[ "$(stat -c %s "$work/key.bin")" -eq 1096 ] || say "the key object has another length"
modulus=$(tail -c +37 "$work/key.bin" | head -c 256 | od -An -v -tx1 -w1 | tac | tr -d ' \n' | tr a-f A-F)
[ "Modulus=$modulus" = "$(openssl rsa -pubin -in "$work/rsa.pub" -noout -modulus)" ] || say "another modulus"
expect 0 'signature       none' "$tool" info "$work/two.bin"
expect 0 'signature       unchecked' "$tool" info "$work/signed.bin"
expect 0 'signature       valid' "$tool" info "$work/signed.bin" --image-key "$work/key.bin"
expect 0 '"signature":"valid"' "$tool" info --json --image-key "$work/key.bin" "$work/signed.bin"
expect 5 'not signed' "$tool" info "$work/two.bin" --image-key "$work/key.bin"
expect 5 'key object' "$tool" info "$work/signed.bin" --image-key "$work/rsa.pub"
(head -c "$((size - 1))" "$work/signed.bin"; printf x; cat "$work/signature") >"$work/forged.bin"
expect 5 'not made over these bytes' "$tool" info "$work/forged.bin" --image-key "$work/key.bin"
expect 2 'secure-hash wants' "$tool" secure-hash
expect 5 'key object' "$tool" secure-hash --image-key "$work/rsa.pub"
expect 0 '^[0-9a-f]\{32\}$' "$tool" secure-hash --image-key "$work/key.bin"
expect 0 '^zeros [0-9]*$' "$tool" secure-hash --image-key "$work/key.bin"
"$tool" secure-hash --image-key "$work/key.bin" >"$work/hash"
(printf '\374\001\0\0\031\022\041\001'; head -c 504 /dev/zero) >"$work/toc1"
"$tool" secure-hash --image-key "$work/key.bin" --toc1 "$work/toc1" | cmp - "$work/hash" || say "another factory TOC1"
expect 5 'one row' "$tool" secure-hash --image-key "$work/key.bin" --toc1 "$work/hash"

# ---- the same key on a token
SOFTHSM2_CONF=$work/softhsm2.conf
export SOFTHSM2_CONF
mkdir "$work/tokens"
echo "directories.tokendir = $work/tokens" >"$SOFTHSM2_CONF"
module=$(find /usr/lib -name libsofthsm2.so | head -n 1)
softhsm2-util --init-token --free --label images --so-pin 87654321 --pin 1234 >/dev/null
softhsm2-util --import "$work/rsa.pem" --token images --label signing --id a1 --pin 1234 >/dev/null
softhsm2-util --import "$work/long.pem" --token images --label three --id a2 --pin 1234 >/dev/null
softhsm2-util --import "$work/rsa.pem" --token images --label twin --id a3 --pin 1234 >/dev/null 2>&1
echo 1234 >"$work/pin"
echo 4321 >"$work/wrong"
chmod 600 "$work/pin" "$work/wrong"
query="module-path=$module&pin-source=file:$work/pin"

# token CODE TEXT PATH QUERY: sign by the token
token() {
    expect "$1" "$2" "$tool" sign "$work/two.bin" --key "pkcs11:$3?$4" --out "$work/token.bin"
}

token 2 'no PKCS#11 URI' 'token=images;;x=%' "$query"
token 2 'can be read by everybody' 'token=images' "module-path=$module&pin-value=1234"
token 2 'no PKCS#11 module' 'token=images' "module-path=$work/pin&pin-source=$work/pin"
token 2 'no token answers' 'token=other;object=signing' "$query"
token 2 'no such private RSA key' 'token=images;object=none' "$query"
token 2 'no such private RSA key' 'token=images;object=signing' "module-path=$module"
token 2 'several keys' 'token=images' "$query"
token 2 'no RSA-2048 key' 'token=images;object=three' "$query"
token 4 'refuses the PIN' 'token=images;object=signing' "module-path=$module&pin-source=$work/wrong"
chmod 644 "$work/pin"
token 2 '644' 'token=images;object=signing' "$query"
chmod 600 "$work/pin"
[ ! -e "$work/token.bin" ] || say "a refused token wrote a file"
token 0 "token.bin" 'token=images;object=signing' "$query"
cmp "$work/token.bin" "$work/signed.bin" || say "token and file sign differently"
token 0 "token.bin" 'token=images;id=%A1;type=private' "$query"

# ---- an application's key on a token; OpenSSL is the judge
openssl pkcs8 -topk8 -nocrypt -in "$work/a.key" -out "$work/a8.key"
openssl ecparam -name secp384r1 -genkey -noout 2>/dev/null | openssl pkcs8 -topk8 -nocrypt -out "$work/curve8.key"
softhsm2-util --import "$work/a8.key" --token images --label application --id b1 --pin 1234 >/dev/null
softhsm2-util --import "$work/curve8.key" --token images --label curve --id b2 --pin 1234 >/dev/null

# app_token CODE TEXT PATH QUERY: sign an application by the token
app_token() {
    expect "$1" "$2" "$tool" app-sign "$work/app" --key "pkcs11:$3?$4" --version 1.2.3 --out "$work/app-token.bin"
}

app_token 2 'can be read by everybody' 'token=images' "module-path=$module&pin-value=1234"
app_token 2 'no token answers' 'token=other;object=application' "$query"
app_token 2 'no such private elliptic-curve key' 'token=images;object=signing' "$query"
app_token 2 'several keys' 'token=images' "$query"
app_token 2 'no P-256 key' 'token=images;object=curve' "$query"
app_token 4 'refuses the PIN' 'token=images;object=application' "module-path=$module&pin-source=$work/wrong"
[ ! -e "$work/app-token.bin" ] || say "a refused token wrote an application"
app_token 0 'app-token.bin' 'token=images;object=application' "$query"
head -c 4024 "$work/app-token.bin" | cmp - "$work/covered" || say "token and file sign different applications"
dd if="$work/app-token.bin" bs=1 skip=4104 2>/dev/null >"$work/signature"
openssl dgst -sha256 -verify "$work/a.pem" -signature "$work/signature" "$work/covered" >/dev/null ||
    say "OpenSSL refuses the application's signature by the token"
# Behind the entries' total size, which is that of two signatures.
cmp -s -i 4028 -n 72 "$work/app-token.bin" "$work/app.bin" || say "token and file name different signers"

[ "$failures" -eq 0 ]
