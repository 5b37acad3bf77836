/* SPDX-License-Identifier: Apache-2.0 */
/* The device and the station's log of the lab. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/hash.h"
#include "base/hex.h"
#include "tests/unit/kms/lab.h"

void lab_device_open(struct lab *lab, struct lab_device *device, uint64_t chip_id)
{
    struct proto_statement *statement = &device->statement;
    memset(device, 0, sizeof(*device));
    assert_int_equal(base_p256_generate(base_random_system(), &device->key, NULL), BASE_OK);
    base_p256_public(device->key, statement->public_key);
    memcpy(statement->authority_key_id, lab->home.keys.authority_key_id, 8);
    base_put_be64(statement->chip_id, chip_id);
    statement->silicon_id = 0x0100E207;
    statement->lifecycle = PROTO_LIFECYCLE_NORMAL;
    statement->flags = PROTO_FLAG_LAB;
    statement->bootloader_version = 0x00010000;
    memset(statement->bootloader_hash, 0x11, 32);
    memset(statement->nonce, 0x5A, sizeof(statement->nonce));
    statement->vault_state = PROTO_VAULT_IDENTITY;
}

void lab_device_done(struct lab_device *device)
{
    base_p256_free(device->key);
    device->key = NULL;
}

void lab_statement(
    struct lab *lab, struct lab_device *device, uint8_t ret_bytes[PROTO_STATEMENT_SIZE])
{
    uint8_t dh[32];
    uint8_t prk[32];
    uint8_t key[32];
    struct proto_statement statement = device->statement;
    proto_statement_encode(&statement, ret_bytes);
    assert_int_equal(
        base_p256_ecdh(device->key, lab->home.keys.authority.public_key, dh, NULL), BASE_OK);
    const struct base_part ikm = { dh, sizeof(dh) };
    base_hkdf_extract("lpa statement v1", 16, &ikm, 1, prk);
    const struct base_part info[] = {
        { statement.authority_key_id, 8 },
        { statement.chip_id, 8 },
    };
    assert_int_equal(base_hkdf_expand(prk, info, 2, 32, key, NULL), BASE_OK);
    const struct base_part body = { ret_bytes, PROTO_STATEMENT_BODY_SIZE };
    base_hmac_sha256(key, 32, &body, 1, statement.mac);
    proto_statement_encode(&statement, ret_bytes);
}

void lab_open_envelope(struct lab *lab, struct lab_device *device, const uint8_t *envelope,
    uint8_t ret_roots[PROTO_ENVELOPE_PLAIN_SIZE], uint8_t ret_receipt[PROTO_RECEIPT_SIZE])
{
    struct proto_envelope parts;
    struct base_hpke_key key;
    struct base_hpke *hpke = NULL;
    assert_int_equal(proto_envelope_decode(envelope, PROTO_ENVELOPE_SIZE, &parts), PROTO_OK);
    const struct base_hpke_opts opts = {
        .mode = BASE_HPKE_AUTH,
        .kem_id = BASE_HPKE_KEM_P256,
        .kdf_id = BASE_HPKE_KDF_SHA256,
        .aead_id = BASE_AEAD_AES_128_GCM,
        .info = "lpa envelope v1",
        .info_length = 15,
    };
    const struct base_hpke_received received = {
        .enc = parts.enc,
        .enc_length = 65,
        .sender = lab->home.keys.authority.public_key,
        .sender_length = 65,
    };
    base_p256_hpke(device->key, &key);
    assert_int_equal(base_hpke_setup_receiver(&opts, &key, &received, &hpke, NULL), BASE_OK);
    assert_int_equal(base_hpke_open(hpke, parts.aad, PROTO_ENVELOPE_HEADER_SIZE, parts.ciphertext,
                         PROTO_ENVELOPE_PLAIN_SIZE + 16, ret_roots, NULL),
        BASE_OK);
    assert_int_equal(
        base_hpke_export(hpke, "lpa receipt v1", 14, 32, device->receipt_key, NULL), BASE_OK);
    base_hpke_free(hpke);
    struct proto_receipt receipt = { .purpose = parts.header.purpose,
        .key_version = parts.header.key_version };
    memcpy(receipt.envelope_id, parts.header.envelope_id, 16);
    memcpy(receipt.chip_id, parts.header.chip_id, 8);
    base_sha256(envelope, PROTO_ENVELOPE_SIZE, receipt.envelope_hash);
    memset(receipt.record_hash, 0x77, 32);
    proto_receipt_encode(&receipt, ret_receipt);
    lab_receipt_mac(device, ret_receipt);
}

void lab_receipt_mac(const struct lab_device *device, uint8_t receipt[PROTO_RECEIPT_SIZE])
{
    const struct base_part body = { receipt, PROTO_RECEIPT_BODY_SIZE };
    base_hmac_sha256(device->receipt_key, 32, &body, 1, receipt + PROTO_RECEIPT_BODY_SIZE);
}

void lab_lock_mac(const struct lab_device *device, uint8_t answer[PROTO_LOCK_ANSWER_SIZE])
{
    uint8_t key[32];
    const struct base_part label = { "lpa lock v1", 11 };
    const struct base_part body = { answer, PROTO_LOCK_BODY_SIZE };
    base_hmac_sha256(device->receipt_key, 32, &label, 1, key);
    base_hmac_sha256(key, 32, &body, 1, answer + PROTO_LOCK_BODY_SIZE);
}

void lab_lock_answer(const struct lab_device *device, const uint8_t receipt[PROTO_RECEIPT_SIZE],
    uint8_t ret_answer[PROTO_LOCK_ANSWER_SIZE])
{
    struct proto_receipt parts;
    struct proto_lock_answer answer = { .key_version = 0 };
    assert_int_equal(proto_receipt_decode(receipt, PROTO_RECEIPT_SIZE, &parts), PROTO_OK);
    memcpy(answer.chip_id, parts.chip_id, sizeof(answer.chip_id));
    memcpy(answer.envelope_id, parts.envelope_id, sizeof(answer.envelope_id));
    memcpy(answer.record_hash, parts.record_hash, sizeof(answer.record_hash));
    answer.key_version = parts.key_version;
    proto_lock_answer_encode(&answer, ret_answer);
    lab_lock_mac(device, ret_answer);
}

void lab_log_record(struct lab_station *station, const char *record)
{
    uint8_t leaf[32];
    base_merkle_leaf(record, strlen(record), leaf);
    assert_int_equal(base_merkle_tree_append(&station->tree, leaf, NULL), BASE_OK);
}

void lab_checkpoint(struct lab_station *station, uint64_t size, char *ret_note, size_t note_size)
{
    struct base_checkpoint checkpoint = { .head.size = size };
    struct base_note_signer signer;
    struct base_buf body;
    struct base_buf note;
    base_buf_init(&body, 4096);
    base_buf_init(&note, 4096);
    memcpy(checkpoint.origin, station->key.verifier.name, sizeof(checkpoint.origin));
    assert_int_equal(
        base_merkle_tree_root(&station->tree, size, checkpoint.head.root, NULL), BASE_OK);
    assert_int_equal(base_checkpoint_format(&checkpoint, &body, NULL), BASE_OK);
    base_note_key_signer(&station->key, &signer);
    assert_int_equal(
        base_note_sign(&signer, (const char *)body.data, body.length, 0, &note, NULL), BASE_OK);
    assert_true(note.length < note_size);
    memcpy(ret_note, note.data, note.length);
    ret_note[note.length] = '\0';
    base_buf_done(&body);
    base_buf_done(&note);
}

static json_t *proof_json(const struct base_merkle_proof *proof)
{
    json_t *array = json_array();
    for (size_t i = 0; i < proof->count; i++) {
        char text[BASE_BASE64_SIZE(32)];
        base_base64_encode(proof->hashes[i], 32, text);
        (void)json_array_append_new(array, json_string(text));
    }
    return array;
}

static void dump(json_t *object, char *ret_text, size_t size)
{
    char *text = json_dumps(object, JSON_COMPACT);
    assert_non_null(text);
    assert_true(strlen(text) < size);
    memcpy(ret_text, text, strlen(text) + 1);
    free(text);
    json_decref(object);
}

void lab_witness_body(
    struct lab_station *station, uint64_t old_size, uint64_t size, char *ret_body, size_t body_size)
{
    char note[2048];
    struct base_merkle_proof proof = { .count = 0 };
    lab_checkpoint(station, size, note, sizeof(note));
    if (old_size <= size) {
        assert_int_equal(
            base_merkle_tree_consistency(&station->tree, old_size, size, &proof, NULL), BASE_OK);
    }
    dump(json_pack("{s:I, s:o, s:s}", "old_size", (json_int_t)old_size, "proof", proof_json(&proof),
             "checkpoint", note),
        ret_body, body_size);
}

void lab_cosign(struct lab *lab, struct lab_station *station)
{
    char body[8192];
    json_t *answer = NULL;
    lab_witness_body(station, station->cosigned, station->tree.size, body, sizeof(body));
    assert_int_equal(lab_call(lab, station, KMS_POST, "/v1/log/checkpoints", body, &answer), 200);
    (void)snprintf(
        station->cosignature, sizeof(station->cosignature), "%s", lab_text(answer, "cosignature"));
    station->cosigned = station->tree.size;
    json_decref(answer);
}

void lab_make_intent(struct lab *lab, struct lab_station *station, const struct lab_intent *intent,
    const uint8_t *statement, char *ret_json, size_t size)
{
    uint8_t hash[32];
    char digest[BASE_BASE64_SIZE(32)];
    char record[1024];
    char encoded[BASE_BASE64_SIZE(1024)];
    char note[4096];
    struct base_merkle_proof proof = { .count = 0 };
    uint64_t index = station->tree.size;
    base_sha256(statement, PROTO_STATEMENT_SIZE, hash);
    base_base64url_encode(hash, 32, digest);
    (void)snprintf(record, sizeof(record),
        "{\"ev\":\"%s\",\"log\":\"%s\",\"lot\":{\"id\":\"%s\"},\"seq\":%lld,\"v\":1,"
        "\"x\":{\"statement_sha256\":\"%s\"}}",
        intent->event, station->key.verifier.name, intent->lot,
        (long long)index + intent->sequence_offset, digest);
    lab_log_record(station, record);
    station->cosignature[0] = '\0';
    if (!intent->skip_cosign) {
        lab_cosign(lab, station);
    }
    lab_checkpoint(station, station->tree.size, note, sizeof(note) - 512);
    (void)snprintf(note + strlen(note), 512, "%s", station->cosignature);
    assert_int_equal(
        base_merkle_tree_inclusion(&station->tree, index, station->tree.size, &proof, NULL),
        BASE_OK);
    base_base64_encode(record, strlen(record), encoded);
    dump(json_pack("{s:s, s:I, s:o, s:s}", "record", encoded, "index", (json_int_t)index, "proof",
             proof_json(&proof), "checkpoint", note),
        ret_json, size);
}

void lab_grant_body(struct lab *lab, struct lab_station *station, const char *lot,
    const uint8_t *statement, char *ret_body, size_t size)
{
    char encoded[BASE_BASE64_SIZE(PROTO_STATEMENT_SIZE)];
    char intent_json[16384];
    const struct lab_intent intent = { .event = "key.request", .lot = lot };
    lab_make_intent(lab, station, &intent, statement, intent_json, sizeof(intent_json));
    base_base64_encode(statement, PROTO_STATEMENT_SIZE, encoded);
    (void)snprintf(ret_body, size, "{\"statement\":\"%s\",\"intent\":%s}", encoded, intent_json);
}

json_t *lab_ask(struct lab *lab, struct lab_station *station, const char *lot,
    struct lab_device *device, int http_status)
{
    uint8_t statement[PROTO_STATEMENT_SIZE];
    char body[20000];
    char path[128];
    json_t *answer = NULL;
    lab_statement(lab, device, statement);
    lab_grant_body(lab, station, lot, statement, body, sizeof(body));
    (void)snprintf(path, sizeof(path), "/v1/lots/%s/grants", lot);
    int got = lab_call(lab, station, KMS_POST, path, body, &answer);
    if (got != http_status) {
        fail_msg("grant: expected %d, got %d %s (%s)", http_status, got, lab_text(answer, "code"),
            lab_text(answer, "detail"));
    }
    return answer;
}

void lab_ask_refused(struct lab *lab, struct lab_station *station, const char *lot,
    struct lab_device *device, int http_status, const char *code)
{
    json_t *answer = lab_ask(lab, station, lot, device, http_status);
    assert_string_equal(lab_text(answer, "code"), code);
    json_decref(answer);
}

static int finish(struct lab *lab, struct lab_station *station, const char *path,
    const char *member, const uint8_t *data, size_t length, json_t **ret_answer)
{
    char encoded[BASE_BASE64_SIZE(256)];
    char body[512];
    base_base64_encode(data, length, encoded);
    (void)snprintf(body, sizeof(body), "{\"%s\":\"%s\"}", member, encoded);
    return lab_call(lab, station, KMS_POST, path, body, ret_answer);
}

int lab_hand_in(struct lab *lab, struct lab_station *station, const char *grant_id,
    const uint8_t *receipt, size_t length, json_t **ret_answer)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/receipt", grant_id);
    return finish(lab, station, path, "receipt", receipt, length, ret_answer);
}

int lab_lock(struct lab *lab, struct lab_station *station, const char *grant_id,
    const uint8_t *answer, size_t length, json_t **ret_answer)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/lock", grant_id);
    return finish(lab, station, path, "answer", answer, length, ret_answer);
}

void lab_device_advance(struct lab_device *device, uint8_t vault_state, uint32_t key_version)
{
    device->statement.nonce[0]++;
    device->statement.vault_state = vault_state;
    device->statement.key_version = key_version;
}

void lab_get_envelope(const json_t *grant, uint8_t ret_envelope[PROTO_ENVELOPE_SIZE])
{
    size_t length = 0;
    assert_int_equal(
        base_json_get_base64(grant, "envelope", PROTO_ENVELOPE_SIZE, ret_envelope, &length, NULL),
        BASE_OK);
    assert_int_equal(length, PROTO_ENVELOPE_SIZE);
}

void lab_open_grant(struct lab *lab, struct lab_device *device, const json_t *grant,
    uint8_t ret_roots[PROTO_ENVELOPE_PLAIN_SIZE], uint8_t ret_receipt[PROTO_RECEIPT_SIZE])
{
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    lab_get_envelope(grant, envelope);
    lab_open_envelope(lab, device, envelope, ret_roots, ret_receipt);
}

void lab_confirm(struct lab *lab, struct lab_station *station, struct lab_device *device,
    const json_t *grant, uint8_t ret_receipt[PROTO_RECEIPT_SIZE])
{
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    json_t *answer = NULL;
    lab_open_grant(lab, device, grant, roots, ret_receipt);
    int got = lab_hand_in(
        lab, station, lab_text(grant, "grant_id"), ret_receipt, PROTO_RECEIPT_SIZE, &answer);
    if (got != 200) {
        fail_msg(
            "receipt: got %d %s (%s)", got, lab_text(answer, "code"), lab_text(answer, "detail"));
    }
    json_decref(answer);
}

void lab_scrap(struct lab *lab, struct lab_station *station, const char *grant_id)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/scrap", grant_id);
    assert_int_equal(lab_call(lab, station, KMS_POST, path, "{\"reason\":\"broken\"}", NULL), 200);
}

struct kms_permit lab_permit(struct lab *lab, const char *lot, int64_t acts, const uint8_t *chip_id)
{
    struct base_err err = { 0 };
    struct kms_permit permit = { .id = "" };
    const struct kms_permit_request request = {
        .lot = lot, .acts = acts, .chip_id = chip_id, .until_us = lab->now_us + LAB_HOUR
    };
    if (kms_admin_permit_add(&lab->home, &request, &permit, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    return permit;
}

json_t *lab_unit(
    struct lab *lab, struct lab_station *station, const char *lot, const struct lab_device *device)
{
    char chip[17];
    char path[160];
    json_t *answer = NULL;
    base_hex_encode(device->statement.chip_id, 8, chip);
    (void)snprintf(path, sizeof(path), "/v1/lots/%s/units/%s", lot, chip);
    assert_int_equal(lab_call(lab, station, KMS_GET, path, NULL, &answer), 200);
    return answer;
}

void lab_open_line(struct lab *lab, struct lab_station *station, struct lab_station *other,
    struct lab_station *room, struct lab_tester *tester, struct lab_device *device)
{
    lab_open(lab);
    lab_add_station(lab, station, "station-1", KMS_ROLE_PROVISION);
    lab_add_station(lab, other, "station-2", KMS_ROLE_PROVISION);
    lab_add_station(lab, room, "room-1", KMS_ROLE_PERSONALISE);
    lab_add_tester(lab, tester, "anna", KMS_ROLE_PROVISION);
    lab_device_open(lab, device, 0x51a0000000c00001);
    lab_login(lab, station, tester);
}

void lab_close_line(struct lab *lab, struct lab_station *station, struct lab_station *other,
    struct lab_station *room, struct lab_device *device)
{
    lab_device_done(device);
    lab_station_done(station);
    lab_station_done(other);
    lab_station_done(room);
    lab_close(lab);
}
