/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants per second through the KMS's core, one durable transaction each, against the cryptography
 * that a grant cannot do without, both in one run: one P-256 key, three ECDH, HPKE and AES-GCM, two
 * key wraps, two Ed25519 verifications (checkpoint, cosignature), one Ed25519 signature.
 *
 *     bench-kms [GRANTS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tests/unit/kms/lab.h"

#define GRANTS_DEFAULT 300
#define BODY_SIZE      20000

static int64_t mono_us(void)
{
    return base_clock_mono_us(base_clock_system());
}

/* Devices and request bodies first: what a station does is not timed. */
static char *make_bodies(struct lab *lab, struct lab_station *station, unsigned count)
{
    char *bodies = calloc(count, BODY_SIZE);
    assert_non_null(bodies);
    for (unsigned i = 0; i < count; i++) {
        struct lab_device device;
        uint8_t statement[PROTO_STATEMENT_SIZE];
        lab_device_open(lab, &device, i + 1);
        lab_statement(lab, &device, statement);
        lab_grant_body(lab, station, "BENCH", statement, bodies + (size_t)i * BODY_SIZE, BODY_SIZE);
        lab_device_done(&device);
    }
    return bodies;
}

/* Not inlined, so that a profiler can collect in one of them alone: see README.md. */
__attribute__((noinline)) static int64_t time_grants(
    struct lab *lab, struct lab_station *station, const char *bodies, unsigned count)
{
    int64_t begin_us = mono_us();
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(lab_call(lab, station, KMS_POST, "/v1/lots/BENCH/grants",
                             bodies + (size_t)i * BODY_SIZE, NULL),
            201);
    }
    return mono_us() - begin_us;
}

static void one_crypto(struct lab *lab, struct lab_station *station, const uint8_t *device,
    const char *note, size_t note_length)
{
    struct kms_keystore *keys = &lab->home.keys;
    uint8_t secret[96];
    uint8_t wrapped[48];
    uint8_t envelope[PROTO_ENVELOPE_SIZE] = { 1 };
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 2 };
    uint8_t signature[64];
    struct base_note_opened opened;
    const struct base_note_verifier verifiers[2] = { station->key.verifier,
        keys->cosigner.verifier };
    assert_int_equal(keys->authority.dh(keys->authority.user, device, 65, secret, NULL), BASE_OK);
    assert_int_equal(kms_keystore_seal(keys, device, plain, envelope, secret, NULL), BASE_OK);
    assert_int_equal(kms_keystore_wrap(keys, plain, 32, wrapped, NULL), BASE_OK);
    assert_int_equal(kms_keystore_wrap(keys, secret, 32, wrapped, NULL), BASE_OK);
    assert_int_equal(base_note_open(note, note_length, verifiers, 2, &opened, NULL), BASE_OK);
    assert_int_equal(
        keys->log.sign(keys->log.user, envelope, sizeof(envelope), signature, NULL), BASE_OK);
}

__attribute__((noinline)) static int64_t time_crypto(
    struct lab *lab, struct lab_station *station, unsigned count)
{
    struct lab_device device;
    char note[4096];
    lab_device_open(lab, &device, 1);
    lab_cosign(lab, station);
    lab_checkpoint(station, station->tree.size, note, sizeof(note) - 512);
    (void)snprintf(note + strlen(note), 512, "%s", station->cosignature);
    size_t length = strlen(note);
    int64_t begin_us = mono_us();
    for (unsigned i = 0; i < count; i++) {
        one_crypto(lab, station, device.statement.public_key, note, length);
    }
    int64_t taken_us = mono_us() - begin_us;
    lab_device_done(&device);
    return taken_us;
}

int main(int argc, char **argv)
{
    static struct lab lab;
    static struct lab_station station;
    static struct lab_tester tester;
    long wanted = argc > 1 ? strtol(argv[1], NULL, 10) : GRANTS_DEFAULT;
    if (argc > 2 || wanted < 1 || wanted > 100000) {
        (void)fprintf(stderr, "usage: bench-kms [GRANTS]\n");
        return 2;
    }
    unsigned count = (unsigned)wanted;
    lab_open(&lab);
    lab_add_station(&lab, &station, "station-1", KMS_ROLE_PROVISION);
    lab_add_tester(&lab, &tester, "anna", KMS_ROLE_PROVISION);
    struct kms_lot lot = lab_lot(&lab, "BENCH", KMS_TRUST_TOFU, 0);
    lot.target = lot.allowance = lot.deveui_count = count;
    lab_add_lot(&lab, &lot);
    lab_login(&lab, &station, &tester);
    char *bodies = make_bodies(&lab, &station, count);
    int64_t grants_us = time_grants(&lab, &station, bodies, count);
    int64_t crypto_us = time_crypto(&lab, &station, count);
    (void)printf("kms grants: %.0f per second, %.0f us each (store in %s)\n",
        1e6 * count / (double)grants_us, (double)grants_us / count, lab.dir);
    (void)printf("kms crypto of a grant: %.0f per second, %.0f us each\n",
        1e6 * count / (double)crypto_us, (double)crypto_us / count);
    (void)printf("kms grants reach %.0f %% of their crypto (budget: at least 60 %%)\n",
        100.0 * (double)crypto_us / (double)grants_us);
    free(bodies);
    lab_station_done(&station);
    lab_close(&lab);
    return 0;
}
