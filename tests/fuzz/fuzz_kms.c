/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: requests to the KMS, with the certificate of a known station and a live session, so
 * that every route is reached. Whatever is asked, the answer is a whole JSON document and no grant
 * appears. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/base64.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/p256.h"
#include "kms/core.h"
#include "kms/rows.h"

static const struct {
    enum kms_method method;
    const char *path;
    const char *query;
} routes[] = {
    { KMS_POST, "/v1/session", NULL },
    { KMS_POST, "/v1/log/checkpoints", NULL },
    { KMS_POST, "/v1/lots/L-1/grants", NULL },
    { KMS_POST, "/v1/units", NULL },
    { KMS_POST, "/v1/grants/00000000000000000000000000000000/receipt", NULL },
    { KMS_POST, "/v1/grants/00000000000000000000000000000000/scrap", NULL },
    { KMS_POST, "/v1/grants/00000000000000000000000000000000/lock", NULL },
    { KMS_GET, "/v1/lots/L-1", NULL },
    { KMS_GET, "/v1/lots/L-1/grants", "state=open" },
    { KMS_GET, "/v1/lots/L-1/units/0011223344556677", NULL },
    { KMS_GET, "/v1/lots/L-1/permit", "chip=0011223344556677" },
};

#define TOKEN_BYTES 32

/* One KMS for all runs: every request is rolled back or refused, but for sessions and witness. */
struct world {
    struct kms_store store;
    struct kms_keystore keys;
    struct base_random_seeded random;
    struct base_p256 *authority;
    struct base_note_key log_key;
    struct kms_core core;
    char token[BASE_BASE64_SIZE(TOKEN_BYTES)];
};

static enum base_status no_wrap(
    void *state, const uint8_t *key, size_t length, uint8_t *ret_wrapped, struct base_err *err)
{
    (void)state;
    (void)key;
    (void)length;
    (void)ret_wrapped;
    return base_err_set(err, BASE_E_INTERNAL, "fuzz", 0, "this key store wraps nothing");
}

static void add_people(struct world *world)
{
    uint8_t token[TOKEN_BYTES] = { 1 };
    int64_t now_us = kms_store_now_us(&world->store);
    struct kms_station station = { .name = "station-1",
        .role = KMS_ROLE_PROVISION,
        .not_after_us = INT64_MAX / 2,
        .created_us = now_us };
    struct kms_session session = { .tester = "alice",
        .role = KMS_ROLE_PROVISION,
        .created_us = now_us,
        .used_us = now_us,
        .expires_us = INT64_MAX / 2 };
    struct kms_lot lot = { .id = "L-1",
        .chip = "psoc6-ble2",
        .lorawan = 0x10,
        .deveui_count = 10,
        .trust = KMS_TRUST_TOFU,
        .target = 5,
        .allowance = 6,
        .rate = 6,
        .created_us = now_us,
        .expires_us = INT64_MAX / 2 };
    const struct kms_tester tester = { .name = "alice", .role = KMS_ROLE_PROVISION };
    base_note_verifier_format(&world->log_key.verifier, station.log_vkey);
    base_sha256(token, sizeof(token), session.token_sha256);
    base_base64url_encode(token, sizeof(token), world->token);
    FUZZ_CHECK(kms_store_begin(&world->store, NULL) == BASE_OK);
    FUZZ_CHECK(kms_station_insert(&world->store, &station, NULL) == BASE_OK);
    FUZZ_CHECK(kms_tester_insert(&world->store, &tester, now_us, NULL) == BASE_OK);
    FUZZ_CHECK(kms_session_insert(&world->store, &session, NULL) == BASE_OK);
    FUZZ_CHECK(kms_lot_insert(&world->store, &lot, NULL) == BASE_OK);
    FUZZ_CHECK(kms_store_commit(&world->store, NULL) == BASE_OK);
}

static struct world *world_new(void)
{
    static const struct kms_keystore_ops ops = { "fuzz", no_wrap, no_wrap, NULL };
    struct world *world = calloc(1, sizeof(*world));
    FUZZ_CHECK(world != NULL);
    base_random_seeded_init(&world->random, 1);
    FUZZ_CHECK(base_p256_generate(&world->random.random, &world->authority, NULL) == BASE_OK);
    FUZZ_CHECK(base_note_key_generate("station-1", BASE_NOTE_ED25519, &world->random.random,
                   &world->log_key, NULL) == BASE_OK);
    world->keys.ops = &ops;
    world->keys.development = true;
    world->keys.random = &world->random.random;
    base_p256_hpke(world->authority, &world->keys.authority);
    base_note_key_signer(&world->log_key, &world->keys.log);
    base_note_key_signer(&world->log_key, &world->keys.cosigner);
    FUZZ_CHECK(kms_store_sqlite_open(":memory:", true, base_clock_system(), &world->store, NULL) ==
               BASE_OK);
    add_people(world);
    world->core = (struct kms_core){ .store = &world->store,
        .keys = &world->keys,
        .random = &world->random.random,
        .policy = { .development = true } };
    return world;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world *world; /* libFuzzer offers no other place */
    if (world == NULL) {
        world = world_new();
    }
    if (size < 1 || size > KMS_BODY_MAX) {
        return 0;
    }
    size_t route = data[0] % (sizeof(routes) / sizeof(routes[0]));
    struct kms_request request = { .method = routes[route].method,
        .path = routes[route].path,
        .query = routes[route].query,
        .token = world->token,
        .body = data + 1,
        .body_length = size - 1 };
    struct kms_response response;
    kms_response_init(&response);
    kms_core_handle(&world->core, &request, &response);
    FUZZ_CHECK(response.status >= 200 && response.status < 600);
    FUZZ_CHECK(world->core.metrics.grants == 0 && world->core.metrics.confirmed == 0);
    json_t *answer = NULL;
    if (response.body.length > 0) {
        FUZZ_CHECK(base_json_parse(response.body.data, response.body.length, KMS_BODY_MAX, &answer,
                       NULL) == BASE_OK);
        json_decref(answer);
    }
    kms_response_done(&response);
    return 0;
}
