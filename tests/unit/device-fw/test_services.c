/* SPDX-License-Identifier: Apache-2.0 */
/* The key services on the host: every public vector, every rule about counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/protocol/bytes.h"
#include "tests/unit/device-fw/desk_services.h"
#include "tests/unit/vectors.h"

static struct desk desk;

static void reversed(const uint8_t *from, size_t length, uint8_t *to)
{
    for (size_t i = 0; i < length; i++)
        to[i] = from[length - 1 - i];
}

/* A member of a vector, of exactly this length. */
static void member(const json_t *vector, const char *name, uint8_t *ret_bytes, size_t length)
{
    uint8_t bytes[VECTOR_BYTES_MAX];

    assert_int_equal(vectors_hex(vector, name, bytes), length);
    memcpy(ret_bytes, bytes, length);
}

static uint16_t member_u16(const json_t *vector, const char *name)
{
    uint8_t bytes[2];

    member(vector, name, bytes, 2);
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool has(const json_t *vector, const char *name)
{
    return json_object_get(vector, name) != NULL;
}

/* ---- bad arguments ---- */

static void refusals(void **state)
{
    static const uint8_t zeros[SVC_PAYLOAD_MAX];

    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_1);
    assert_int_equal(desk_do(&desk, 0, NULL, 0), SVC_BAD_OPERATION);
    assert_int_equal(desk_do(&desk, SVC_OP_END, NULL, 0), SVC_BAD_OPERATION);
    assert_int_equal(desk_do(&desk, UINT32_MAX, NULL, 0), SVC_BAD_OPERATION);
    assert_int_equal(desk_do(&desk, SVC_OP_IDENTITY, zeros, 1), SVC_BAD_MESSAGE);
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_ACCEPT, zeros, 17), SVC_BAD_MESSAGE);
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_ACCEPT, zeros, 35), SVC_BAD_MESSAGE);
    assert_int_equal(desk_do(&desk, SVC_OP_ENVELOPE, zeros, 188), SVC_BAD_MESSAGE);
    assert_int_equal(desk_do(&desk, SVC_OP_UPLINK_MIC, zeros, 260), SVC_BAD_MESSAGE);
    assert_int_equal(desk_do(&desk, SVC_OP_CRYPT_FOPTS, zeros, 24), SVC_BAD_MESSAGE);
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_ACCEPT, zeros, 18), SVC_NO_REQUEST);
    assert_int_equal(desk_do(&desk, SVC_OP_REJOIN, zeros, 1), SVC_NO_SESSION);
    assert_int_equal(desk_do(&desk, SVC_OP_REJOIN, (const uint8_t[]){ 3 }, 1), SVC_BAD_FIELD);
    assert_int_equal(desk_do(&desk, SVC_OP_UPLINK_MIC, zeros, 20), SVC_NO_SESSION);
    assert_int_equal(desk_do(&desk, SVC_OP_DOWNLINK_VERIFY, zeros, 20), SVC_NO_SESSION);
    assert_int_equal(desk_do(&desk, SVC_OP_CRYPT_PAYLOAD, zeros, 20), SVC_NO_SESSION);
    assert_int_equal(desk_do(&desk, SVC_OP_CRYPT_FOPTS, zeros, 20), SVC_NO_SESSION);
}

static void no_keys(void **state)
{
    static const uint8_t states[] = { PROTO_VAULT_IDENTITY, PROTO_VAULT_ZEROISED };

    (void)state;
    for (size_t i = 0; i < sizeof(states); i++) {
        desk_new(&desk, PROTO_LORAWAN_1_0);
        desk.device.vault.record.state = states[i];
        assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_NO_KEYS);
        assert_int_equal(desk_do(&desk, SVC_OP_UPLINK_MIC, desk.answer.payload, 20), SVC_NO_KEYS);
        assert_int_equal(desk_do(&desk, SVC_OP_IDENTITY, NULL, 0), SVC_OK);
    }
    desk_new(&desk, PROTO_LORAWAN_1_0);
    desk.device.vault.status = PROTO_VAULT_CORRUPT;
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_NO_KEYS);
}

/* ---- vectors ---- */

static void join_request_vectors(void **state)
{
    json_t *file = vectors_load("join_request.json");
    unsigned done = 0;
    size_t i;
    json_t *vector;

    (void)state;
    json_array_foreach(vectors_list(file), i, vector)
    {
        uint8_t frame[PROTO_JOIN_REQUEST_SIZE];
        struct bl_installed *installed = &desk.device.vault.record.installed;
        bool is_1_1 = i % 2 == 1;

        if (strcmp(vectors_text(vector, "message"), "join_request") != 0 ||
            !json_is_true(json_object_get(vector, "mic_valid")))
            continue;
        desk_new(&desk, is_1_1 ? PROTO_LORAWAN_1_1 : PROTO_LORAWAN_1_0);
        member(vector, "key", is_1_1 ? installed->nwk_key : installed->app_key, 16);
        member(vector, "dev_eui", installed->dev_eui, 8);
        member(vector, "join_eui", installed->join_eui, 8);
        desk.device.dev_nonce_next = member_u16(vector, "dev_nonce");
        desk.device.vault.record.dev_nonce_limit = desk.device.dev_nonce_next + 1U;
        member(vector, "phy_payload", frame, sizeof(frame));
        assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_OK);
        assert_int_equal(desk.answer.length, sizeof(frame));
        assert_memory_equal(desk.answer.payload, frame, sizeof(frame));
        done++;
    }
    json_decref(file);
    print_message("join-requests: %u vectors\n", done);
    assert_true(done >= 22);
}

static void rejoin_vectors(void **state)
{
    json_t *file = vectors_load("join_request.json");
    unsigned done = 0;
    size_t i;
    json_t *vector;

    (void)state;
    json_array_foreach(vectors_list(file), i, vector)
    {
        uint8_t frame[VECTOR_BYTES_MAX];
        uint8_t mic[SVC_MIC_SIZE];
        uint8_t key[16];
        size_t length = vectors_hex(vector, "phy_payload", frame);
        uint8_t type = frame[1];

        if (strncmp(vectors_text(vector, "message"), "rejoin", 6) != 0 ||
            !json_is_true(json_object_get(vector, "mic_valid")))
            continue;
        member(vector, "key", key, 16);
        desk_new(&desk, PROTO_LORAWAN_1_1);
        member(vector, "dev_eui", desk.device.vault.record.installed.dev_eui, 8);
        if (type != 1) {
            uint8_t net_id[3];

            member(vector, "net_id", net_id, 3);
            desk.svc.part.session = SVC_SESSION_1_1;
            reversed(net_id, 3, desk.svc.part.net_id);
            memcpy(desk.svc.part.key[SVC_S_NWK_S_INT], key, 16);
            desk.svc.next[SVC_RJCOUNT_0] = member_u16(vector, "rj_count");
        } else {
            member(vector, "join_eui", desk.device.vault.record.installed.join_eui, 8);
            desk.svc.next[SVC_RJCOUNT_1] = member_u16(vector, "rj_count");
        }
        chip_put_record(&desk.device.vault.record);
        assert_int_equal(desk_do(&desk, SVC_OP_REJOIN, &type, 1), SVC_OK);
        assert_int_equal(desk.answer.length, length);
        /* The vectors of type 1 name JSIntKey itself, which no device has from outside. */
        assert_memory_equal(desk.answer.payload, frame, type == 1 ? length - 4 : length);
        svc_lorawan_mic(key, frame, length - 4, mic);
        assert_memory_equal(frame + length - 4, mic, 4);
        done++;
    }
    json_decref(file);
    print_message("rejoin-requests: %u vectors\n", done);
    assert_true(done >= 20);
}

/* Construction only: keys that a device would derive are given in these vectors. */
static void check_accept_bytes(const json_t *vector, bool valid)
{
    uint8_t frame[VECTOR_BYTES_MAX];
    uint8_t clear[VECTOR_BYTES_MAX];
    uint8_t prefixed[11 + 33];
    uint8_t key[16];
    uint8_t eui[8];
    uint8_t mic[4];
    size_t length = vectors_hex(vector, "phy_payload", frame);

    member(vector, "encryption_key", key, 16);
    assert_int_equal(vectors_hex(vector, "decrypted", clear), length);
    svc_lorawan_open_accept(key, frame + 1, length - 1);
    assert_memory_equal(frame, clear, length);
    member(vector, "mic_key", key, 16);
    memcpy(prefixed + 11, frame, length);
    if (has(vector, "join_req_type")) {
        prefixed[0] = (uint8_t)vectors_int(vector, "join_req_type");
        member(vector, "join_eui", eui, 8);
        reversed(eui, 8, prefixed + 1);
        prefixed[9] = (uint8_t)member_u16(vector, "dev_nonce");
        prefixed[10] = (uint8_t)(member_u16(vector, "dev_nonce") >> 8);
        svc_lorawan_mic(key, prefixed, 11 + length - 4, mic);
    } else {
        svc_lorawan_mic(key, frame, length - 4, mic);
    }
    assert_int_equal(memcmp(mic, frame + length - 4, 4) == 0, valid);
}

/* The whole operation, as the device does it. */
static void check_accept_operation(const json_t *vector, bool is_1_1, bool valid)
{
    struct bl_installed *installed = &desk.device.vault.record.installed;
    uint8_t request[1 + 33] = { SVC_JOIN_TYPE };
    uint8_t field[VECTOR_BYTES_MAX];
    size_t length = vectors_hex(vector, "phy_payload", field);

    memcpy(request + 1, field, length);
    desk_new(&desk, is_1_1 ? PROTO_LORAWAN_1_1 : PROTO_LORAWAN_1_0);
    member(vector, is_1_1 ? "nwk_key" : "mic_key", is_1_1 ? installed->nwk_key : installed->app_key,
        16);
    if (is_1_1) {
        member(vector, "dev_eui", installed->dev_eui, 8);
        member(vector, "join_eui", installed->join_eui, 8);
        request[0] = (uint8_t)vectors_int(vector, "join_req_type");
    }
    chip_put_record(&desk.device.vault.record);
    /* JoinNonces start at 1, so that "none yet" is a state of its own. */
    valid = valid && strcmp(vectors_text(vector, "join_nonce"), "000000") != 0;
    desk.svc.is_request_open = true;
    desk.svc.request_type = request[0];
    desk.svc.request_nonce = has(vector, "dev_nonce") ? member_u16(vector, "dev_nonce") : 0;
    assert_int_equal(
        desk_do(&desk, SVC_OP_JOIN_ACCEPT, request, 1 + length), valid ? SVC_OK : SVC_REFUSED);
    if (!valid)
        return;
    member(vector, "dev_addr", field, 4);
    assert_memory_equal(desk.answer.payload, field, 4);
    member(vector, "net_id", field, 3);
    assert_memory_equal(desk.answer.payload + 4, field, 3);
    member(vector, "dl_settings", field, 1);
    assert_int_equal(desk.answer.payload[7], field[0]);
    assert_int_equal(desk.answer.payload[8], vectors_int(vector, "rx_delay"));
    assert_int_equal(desk.answer.payload[9], is_1_1);
    assert_int_equal(desk.answer.payload[10], vectors_hex(vector, "cf_list", field));
    assert_memory_equal(desk.answer.payload + 11, field, desk.answer.payload[10]);
}

static void join_accept_vectors(void **state)
{
    json_t *file = vectors_load("join_accept.json");
    unsigned done = 0;
    unsigned whole = 0;
    size_t i;
    json_t *vector;

    (void)state;
    json_array_foreach(vectors_list(file), i, vector)
    {
        bool valid = json_is_true(json_object_get(vector, "mic_valid"));
        bool is_1_1 = has(vector, "nwk_key");

        if (json_is_true(json_object_get(vector, "mic_only")))
            continue;
        check_accept_bytes(vector, valid);
        done++;
        if (!is_1_1 &&
            (has(vector, "join_req_type") || strcmp(vectors_text(vector, "mic_key"),
                                                 vectors_text(vector, "encryption_key")) != 0))
            continue;
        check_accept_operation(vector, is_1_1, valid);
        whole++;
    }
    json_decref(file);
    print_message("join-accepts: %u vectors, %u of them as whole operations\n", done, whole);
    assert_true(done >= 30 && whole >= 25);
}

static void check_key(const json_t *vector, const char *name, const uint8_t key[16])
{
    uint8_t expected[16];

    member(vector, name, expected, 16);
    assert_memory_equal(key, expected, 16);
}

static void check_js_keys(const json_t *vector)
{
    uint8_t root[16];
    uint8_t eui[8];
    uint8_t key[16];

    member(vector, "nwk_key", root, 16);
    member(vector, "dev_eui", eui, 8);
    svc_lorawan_derive_js(root, SVC_DERIVE_JS_INT, eui, key);
    check_key(vector, "js_int_key", key);
    svc_lorawan_derive_js(root, SVC_DERIVE_JS_ENC, eui, key);
    check_key(vector, "js_enc_key", key);
}

/* A join with the vector's keys and nonces, through the operations; then what the part holds. */
static void check_session_keys(const json_t *vector, bool is_1_1)
{
    struct network *network = &desk.network;
    uint8_t nonce[3];

    desk_new(&desk, is_1_1 ? PROTO_LORAWAN_1_1 : PROTO_LORAWAN_1_0);
    member(vector, "app_key", network->app_key, 16);
    if (is_1_1)
        member(vector, "nwk_key", network->nwk_key, 16);
    if (has(vector, "join_eui"))
        member(vector, "join_eui", network->join_eui, 8);
    if (has(vector, "dev_eui"))
        member(vector, "dev_eui", network->dev_eui, 8);
    if (has(vector, "net_id"))
        member(vector, "net_id", network->net_id, 3);
    member(vector, "join_nonce", nonce, 3);
    network->join_nonce = ((uint32_t)nonce[0] << 16 | (uint32_t)nonce[1] << 8 | nonce[2]) - 1U;
    desk_use_network(&desk);
    desk.device.dev_nonce_next = member_u16(vector, "dev_nonce");
    desk.device.vault.record.dev_nonce_limit = desk.device.dev_nonce_next + 1U;
    chip_put_record(&desk.device.vault.record);
    desk_join(&desk, is_1_1 ? 0x80 : 0);
    if (is_1_1) {
        check_key(vector, "f_nwk_s_int_key", desk.svc.part.key[SVC_F_NWK_S_INT]);
        check_key(vector, "s_nwk_s_int_key", desk.svc.part.key[SVC_S_NWK_S_INT]);
        check_key(vector, "nwk_s_enc_key", desk.svc.part.key[SVC_NWK_S_ENC]);
    } else {
        for (unsigned k = SVC_F_NWK_S_INT; k <= SVC_NWK_S_ENC; k++)
            check_key(vector, "nwk_s_key", desk.svc.part.key[k]);
    }
    check_key(vector, "app_s_key", desk.svc.part.key[SVC_APP_S]);
}

static void session_key_vectors(void **state)
{
    json_t *file = vectors_load("session_keys.json");
    unsigned done = 0;
    size_t i;
    json_t *vector;

    (void)state;
    json_array_foreach(vectors_list(file), i, vector)
    {
        if (has(vector, "app_s_key"))
            check_session_keys(vector, strcmp(vectors_text(vector, "lorawan"), "1.1") == 0);
        if (has(vector, "js_int_key"))
            check_js_keys(vector);
        done++;
    }
    json_decref(file);
    print_message("session keys: %u vectors\n", done);
    assert_true(done >= 34);
}

/* Put the device into the middle of the vector's session. */
static void enter_session(const json_t *vector, bool is_1_1, uint32_t fcnt)
{
    struct svc_part *part = &desk.svc.part;
    uint8_t address[4];

    desk_new(&desk, is_1_1 ? PROTO_LORAWAN_1_1 : PROTO_LORAWAN_1_0);
    part->session = is_1_1 ? SVC_SESSION_1_1 : SVC_SESSION_1_0;
    member(vector, "app_s_key", part->key[SVC_APP_S], 16);
    member(vector, is_1_1 ? "f_nwk_s_int_key" : "nwk_s_key", part->key[SVC_F_NWK_S_INT], 16);
    member(vector, is_1_1 ? "s_nwk_s_int_key" : "nwk_s_key", part->key[SVC_S_NWK_S_INT], 16);
    if (!is_1_1)
        member(vector, "nwk_s_key", part->key[SVC_NWK_S_ENC], 16);
    member(vector, "dev_addr", address, 4);
    reversed(address, 4, part->dev_addr);
    for (unsigned i = SVC_FCNT_UP; i <= SVC_AFCNT_DOWN; i++)
        desk.svc.next[i] = fcnt;
}

static void check_data_frame(const json_t *vector)
{
    bool is_1_1 = strcmp(vectors_text(vector, "lorawan"), "1.1") == 0;
    bool down = strcmp(vectors_text(vector, "direction"), "down") == 0;
    uint32_t fcnt = (uint32_t)vectors_int(vector, "fcnt32");
    uint16_t conf = (uint16_t)vectors_int(vector, "conf_fcnt");
    uint8_t frame[VECTOR_BYTES_MAX];
    uint8_t plain[VECTOR_BYTES_MAX];
    size_t length = vectors_hex(vector, "phy_payload", frame);
    size_t plain_length = vectors_hex(vector, "frm_payload_plain", plain);
    size_t header = length - 4 - plain_length;
    uint8_t port = (uint8_t)vectors_int(vector, "f_port");

    enter_session(vector, is_1_1, fcnt);
    if (down) {
        assert_int_equal(desk_verify(&desk, fcnt, conf, frame, length), SVC_OK);
        assert_int_equal(desk_verify(&desk, fcnt, conf, frame, length), SVC_REPLAYED);
    }
    if (plain_length > 0) {
        assert_int_equal(
            desk_crypt(&desk, SVC_OP_CRYPT_PAYLOAD, down, port, fcnt, plain, plain_length), SVC_OK);
        assert_memory_equal(desk.answer.payload, frame + header, plain_length);
    }
    if (down)
        return;
    assert_int_equal(desk_uplink_mic(&desk, fcnt, conf, (uint8_t)vectors_int(vector, "tx_dr"),
                         (uint8_t)vectors_int(vector, "tx_ch"), frame, length - 4),
        SVC_OK);
    assert_memory_equal(desk.answer.payload, frame + length - 4, 4);
}

static void data_frame_vectors(void **state)
{
    json_t *file = vectors_load("data_frames.json");
    unsigned done = 0;
    size_t i;
    json_t *vector;

    (void)state;
    json_array_foreach(vectors_list(file), i, vector)
    {
        check_data_frame(vector);
        done++;
    }
    json_decref(file);
    print_message("data frames: %u vectors\n", done);
    assert_true(done >= 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(no_keys),
        cmocka_unit_test(join_request_vectors),
        cmocka_unit_test(rejoin_vectors),
        cmocka_unit_test(join_accept_vectors),
        cmocka_unit_test(session_key_vectors),
        cmocka_unit_test(data_frame_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
