/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the root keys out of a development KMS, for tests that search for them elsewhere or check a
 * join-request with them. One JSON object a line: chip_id, dev_eui, state, app_key, nwk_key. */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "kms/home.h"
#include "kms/rows.h"

static enum base_status print_roots(void *user, const struct kms_grant *grant, struct base_err *err)
{
    struct kms_home *home = user;
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    static const uint8_t absent[PROTO_ROOT_KEY_SIZE] = { 0 };
    char chip[17];
    char dev_eui[17];
    char app_key[33];
    char nwk_key[33] = "";
    static const uint8_t wiped[sizeof(grant->roots_wrapped)] = { 0 };
    if (memcmp(grant->roots_wrapped, wiped, sizeof(wiped)) == 0) {
        return BASE_OK; /* replaced or taken off: the store holds none of it any more */
    }
    enum base_status status = kms_keystore_unwrap(
        &home->keys, grant->roots_wrapped, sizeof(grant->roots_wrapped), roots, err);
    if (status != BASE_OK) {
        return status;
    }
    base_hex_encode(grant->chip_id, 8, chip);
    base_hex_encode(grant->dev_eui, 8, dev_eui);
    base_hex_encode(roots + PROTO_ROOT_KEY_SIZE, PROTO_ROOT_KEY_SIZE, app_key);
    if (memcmp(roots, absent, sizeof(absent)) != 0) {
        base_hex_encode(roots, PROTO_ROOT_KEY_SIZE, nwk_key);
    }
    (void)printf("{\"chip_id\":\"%s\",\"dev_eui\":\"%s\",\"grant_id\":\"%s\",\"state\":\"%s\","
                 "\"app_key\":\"%s\",\"nwk_key\":\"%s\"}\n",
        chip, dev_eui, grant->id, kms_grant_state_name(grant->state), app_key, nwk_key);
    base_wipe(roots, sizeof(roots));
    return BASE_OK;
}

int main(int argc, char **argv)
{
    struct kms_home home = { .dir = "" };
    struct base_err err = { 0 };
    if (argc != 3 || strcmp(argv[1], "--dir") != 0) {
        (void)fprintf(stderr, "usage: kms-roots --dir DIR\n");
        return 2;
    }
    enum base_status status =
        kms_home_open(argv[2], base_random_system(), base_clock_system(), &home, &err);
    if (status == BASE_OK) {
        const struct kms_grant_filter filter = { .limit = INT64_MAX };
        status = kms_grant_each(&home.store, &filter, print_roots, &home, &err);
    }
    kms_home_close(&home);
    if (status != BASE_OK) {
        (void)fprintf(stderr, "kms-roots: %s\n", err.message);
        return 2;
    }
    return 0;
}
