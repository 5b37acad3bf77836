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
#include "device-fw/protocol/messages.h"
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
    { KMS_POST, "/v1/grants/00000000000000000000000000000000/settle", NULL },
    { KMS_POST, "/v1/grants/00000000000000000000000000000000/wipe", NULL },
    { KMS_POST, "/v1/grants/00000000000000000000000000000000/wiped", NULL },
};

#define TOKEN_BYTES 32

/* One more: its data is the text of a record, signed by the personaliser's station and handed in
 * with a good statement. */
#define ROUTES       (sizeof(routes) / sizeof(routes[0]))
#define ROUTE_RECORD ROUTES

/* One KMS for all runs: every request is rolled back or refused, but for sessions and witness. */
struct world {
    struct kms_store store;
    struct kms_keystore keys;
    struct base_random_seeded random;
    struct base_p256 *authority;
    struct base_note_key log_key;
    struct kms_core core;
    char token[BASE_BASE64_SIZE(TOKEN_BYTES)];
    char room_token[BASE_BASE64_SIZE(TOKEN_BYTES)];
    struct base_p256 *device;
    char statement[BASE_BASE64_SIZE(PROTO_STATEMENT_SIZE)];
};

#define ROOM_CERTIFICATE 7U /* first byte of the personalising station's */

static enum base_status no_wrap(
    void *state, const uint8_t *key, size_t length, uint8_t *ret_wrapped, struct base_err *err)
{
    (void)state;
    (void)key;
    (void)length;
    (void)ret_wrapped;
    return base_err_set(err, BASE_E_INTERNAL, "fuzz", 0, "this key store wraps nothing");
}

/* A personaliser at a station of its own. */
static void add_room(struct world *world, int64_t now_us)
{
    uint8_t token[TOKEN_BYTES] = { 2 };
    struct kms_station station = { .name = "room-1",
        .role = KMS_ROLE_PERSONALISE,
        .certificate_sha256 = { ROOM_CERTIFICATE },
        .spki_sha256 = { ROOM_CERTIFICATE },
        .log_id = { ROOM_CERTIFICATE },
        .not_after_us = INT64_MAX / 2,
        .created_us = now_us };
    struct kms_session session = { .tester = "paul",
        .role = KMS_ROLE_PERSONALISE,
        .certificate_sha256 = { ROOM_CERTIFICATE },
        .created_us = now_us,
        .used_us = now_us,
        .expires_us = INT64_MAX / 2 };
    const struct kms_tester tester = { .name = "paul", .role = KMS_ROLE_PERSONALISE };
    base_note_verifier_format(&world->log_key.verifier, station.log_vkey);
    base_sha256(token, sizeof(token), session.token_sha256);
    base_base64url_encode(token, sizeof(token), world->room_token);
    FUZZ_CHECK(kms_station_insert(&world->store, &station, NULL) == BASE_OK);
    FUZZ_CHECK(kms_tester_insert(&world->store, &tester, now_us, NULL) == BASE_OK);
    FUZZ_CHECK(kms_session_insert(&world->store, &session, NULL) == BASE_OK);
}

/* A statement with a good MAC, of a chip whose vault holds an identity. */
static void make_statement(struct world *world)
{
    struct proto_statement statement = { .lifecycle = PROTO_LIFECYCLE_SECURE,
        .vault_state = PROTO_VAULT_IDENTITY };
    uint8_t bytes[PROTO_STATEMENT_SIZE];
    uint8_t dh[32];
    uint8_t prk[32];
    uint8_t key[32];
    FUZZ_CHECK(base_p256_generate(&world->random.random, &world->device, NULL) == BASE_OK);
    base_p256_public(world->device, statement.public_key);
    proto_statement_encode(&statement, bytes);
    FUZZ_CHECK(
        base_p256_ecdh(world->device, world->keys.authority.public_key, dh, NULL) == BASE_OK);
    const struct base_part ikm = { dh, sizeof(dh) };
    const struct base_part info = { bytes + 2, PROTO_KEY_ID_SIZE + PROTO_CHIP_ID_SIZE };
    const struct base_part body = { bytes, PROTO_STATEMENT_BODY_SIZE };
    base_hkdf_extract(PROTO_LABEL_STATEMENT, sizeof(PROTO_LABEL_STATEMENT) - 1, &ikm, 1, prk);
    FUZZ_CHECK(base_hkdf_expand(prk, &info, 1, sizeof(key), key, NULL) == BASE_OK);
    base_hmac_sha256(key, sizeof(key), &body, 1, bytes + PROTO_STATEMENT_BODY_SIZE);
    base_base64_encode(bytes, sizeof(bytes), world->statement);
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
    lot = (struct kms_lot){ .id = "A-1",
        .chip = "psoc6-ble2",
        .lorawan = 0x10,
        .deveui_first = 1000,
        .deveui_count = 10,
        .trust = KMS_TRUST_ATTESTED,
        .restrict_policy = KMS_RESTRICT_SECURE,
        .target = 5,
        .allowance = 6,
        .created_us = now_us,
        .expires_us = INT64_MAX / 2 };
    FUZZ_CHECK(kms_lot_insert(&world->store, &lot, NULL) == BASE_OK);
    add_room(world, now_us);
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
    make_statement(world);
    world->core = (struct kms_core){ .store = &world->store,
        .keys = &world->keys,
        .random = &world->random.random,
        .policy = { .development = true } };
    return world;
}

/* {"lot": "A-1", "record": note, "statement": …}; false where the data makes no note. */
static bool record_body(
    const struct world *world, const uint8_t *data, size_t size, struct base_buf *ret_body)
{
    struct base_note_signer signer;
    struct base_buf text;
    struct base_buf note;
    base_note_key_signer(&world->log_key, &signer);
    base_buf_init(&text, KMS_NOTE_SIZE);
    base_buf_init(&note, KMS_NOTE_SIZE - 1);
    bool good =
        base_buf_printf(&text, NULL, "lpa unit record v1\n") == BASE_OK &&
        base_buf_append(&text, data, size, NULL) == BASE_OK &&
        base_buf_append(&text, "\n", 1, NULL) == BASE_OK &&
        base_note_sign(&signer, (const char *)text.data, text.length, 0, &note, NULL) == BASE_OK &&
        base_buf_text(&note) != NULL;
    if (good) {
        json_auto_t *body = json_pack("{s:s, s:s, s:s}", "lot", "A-1", "record",
            base_buf_text(&note), "statement", world->statement);
        good = body != NULL && base_json_canonical(body, ret_body, NULL) == BASE_OK;
    }
    base_buf_done(&text);
    base_buf_done(&note);
    return good;
}

static void ask(struct world *world, const struct kms_request *request)
{
    struct kms_response response;
    kms_response_init(&response);
    kms_core_handle(&world->core, request, &response);
    FUZZ_CHECK(response.status >= 200 && response.status < 600);
    FUZZ_CHECK(world->core.metrics.grants == 0 && world->core.metrics.confirmed == 0);
    json_t *answer = NULL;
    if (response.body.length > 0) {
        FUZZ_CHECK(base_json_parse(response.body.data, response.body.length, KMS_BODY_MAX, &answer,
                       NULL) == BASE_OK);
        json_decref(answer);
    }
    kms_response_done(&response);
}

/* No permit was given, so no record is good: nothing is ever registered. */
static void ask_with_record(struct world *world, const uint8_t *data, size_t size)
{
    struct base_buf body;
    base_buf_init(&body, KMS_BODY_MAX);
    if (record_body(world, data, size, &body)) {
        struct kms_unit unit;
        const uint8_t chip_id[PROTO_CHIP_ID_SIZE] = { 0 };
        const struct kms_request request = { .method = KMS_POST,
            .path = "/v1/units",
            .token = world->room_token,
            .certificate_sha256 = { ROOM_CERTIFICATE },
            .body = body.data,
            .body_length = body.length };
        ask(world, &request);
        FUZZ_CHECK(kms_unit_get(&world->store, chip_id, &unit, NULL) == BASE_E_NOTFOUND);
    }
    base_buf_done(&body);
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
    size_t route = data[0] % (ROUTES + 1);
    if (route == ROUTE_RECORD) {
        ask_with_record(world, data + 1, size - 1);
        return 0;
    }
    const struct kms_request request = { .method = routes[route].method,
        .path = routes[route].path,
        .query = routes[route].query,
        .token = world->token,
        .body = data + 1,
        .body_length = size - 1 };
    ask(world, &request);
    return 0;
}
