/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kms/lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ftw.h>

#include "auth/totp.h"
#include "base/base64.h"
#include "base/hash.h"
#include "base/hex.h"

#define START_US (INT64_C(1767225600) * LAB_SECOND) /* 2026-01-01T00:00:00Z */

static int64_t now_of(void *user)
{
    return *(int64_t *)user;
}

static void sleep_of(void *user, int64_t duration_us)
{
    *(int64_t *)user += duration_us;
}

void lab_open(struct lab *lab)
{
    lab_open_at(lab, START_US);
}

void lab_open_at(struct lab *lab, int64_t now_us)
{
    struct base_err err = { 0 };
    memset(lab, 0, sizeof(*lab));
    /* in memory where there is such a folder: these tests are not about the disk */
    (void)snprintf(lab->dir, sizeof(lab->dir), "%s/lpa-kms-test.XXXXXX",
        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(lab->dir));
    assert_int_equal(rmdir(lab->dir), 0);
    lab->now_us = now_us;
    lab->clock = (struct base_clock){
        .wall_us = now_of, .mono_us = now_of, .sleep_us = sleep_of, .user = &lab->now_us
    };
    if (kms_home_create(lab->dir, base_random_system(), &lab->clock, &err) != BASE_OK ||
        kms_home_open(lab->dir, base_random_system(), &lab->clock, &lab->home, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    kms_home_core(&lab->home, NULL, &lab->core);
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *place)
{
    (void)info;
    (void)flag;
    (void)place;
    return remove(path);
}

void lab_close(struct lab *lab)
{
    kms_home_close(&lab->home);
    (void)nftw(lab->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void from_base32(const char *text, uint8_t ret_secret[20])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint64_t bits = 0;
    unsigned count = 0;
    size_t out = 0;
    for (size_t i = 0; i < 32; i++) {
        const char *at = strchr(alphabet, text[i]);
        assert_non_null(at);
        bits = (bits << 5) | (uint64_t)(at - alphabet);
        count += 5;
        if (count >= 8) {
            count -= 8;
            ret_secret[out++] = (uint8_t)(bits >> count);
        }
    }
    assert_int_equal(out, 20);
}

void lab_add_tester(
    struct lab *lab, struct lab_tester *tester, const char *name, enum kms_role role)
{
    struct base_secret uri = { 0 };
    assert_int_equal(kms_admin_tester_add(&lab->home, name, role, &uri, NULL), BASE_OK);
    const char *at = strstr((const char *)uri.data, "secret=");
    assert_non_null(at);
    tester->name = name;
    from_base32(at + 7, tester->secret);
    base_secret_done(&uri);
}

void lab_code(
    const struct lab *lab, const struct lab_tester *tester, int64_t offset_s, char ret_code[7])
{
    int64_t seconds = lab->now_us / LAB_SECOND + offset_s;
    assert_int_equal(auth_totp_code(tester->secret, 20, (uint64_t)(seconds / 30), AUTH_TOTP_SHA1, 6,
                         ret_code, NULL),
        BASE_OK);
}

void lab_add_station(
    struct lab *lab, struct lab_station *station, const char *name, enum kms_role role)
{
    struct kms_station row = { .role = role, .not_after_us = lab->now_us + 400 * 24 * LAB_HOUR };
    char origin[80];
    memset(station, 0, sizeof(*station));
    station->name = name;
    (void)snprintf(origin, sizeof(origin), "%s.lpa", name);
    assert_int_equal(base_note_key_generate(
                         origin, BASE_NOTE_ED25519, base_random_system(), &station->key, NULL),
        BASE_OK);
    base_sha256(name, strlen(name), station->certificate_sha256);
    (void)snprintf(row.name, sizeof(row.name), "%s", name);
    memcpy(row.certificate_sha256, station->certificate_sha256, 32);
    base_sha256(station->certificate_sha256, 32, row.spki_sha256);
    base_note_verifier_format(&station->key.verifier, row.log_vkey);
    base_sha256(station->key.verifier.public_key, 32, row.log_id);
    assert_int_equal(kms_store_begin(&lab->home.store, NULL), BASE_OK);
    assert_int_equal(kms_station_insert(&lab->home.store, &row, NULL), BASE_OK);
    assert_int_equal(kms_store_commit(&lab->home.store, NULL), BASE_OK);
}

void lab_station_done(struct lab_station *station)
{
    base_note_key_done(&station->key);
    base_merkle_tree_done(&station->tree);
}

int lab_call(struct lab *lab, struct lab_station *station, enum kms_method method, const char *path,
    const char *body, json_t **ret_answer)
{
    char only_path[256];
    struct kms_response response;
    (void)snprintf(only_path, sizeof(only_path), "%s", path);
    char *query = strchr(only_path, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    struct kms_request request = {
        .method = method,
        .path = only_path,
        .query = query,
        .token = station->token[0] != '\0' ? station->token : NULL,
        .body = (const uint8_t *)body,
        .body_length = body != NULL ? strlen(body) : 0,
    };
    memcpy(request.certificate_sha256, station->certificate_sha256, 32);
    kms_response_init(&response);
    kms_core_handle(&lab->core, &request, &response);
    if (ret_answer != NULL) {
        *ret_answer = NULL;
        if (response.body.length > 0) {
            assert_int_equal(base_json_parse(response.body.data, response.body.length, KMS_BODY_MAX,
                                 ret_answer, NULL),
                BASE_OK);
        }
    }
    int status = response.status;
    kms_response_done(&response);
    return status;
}

void lab_refused(struct lab *lab, struct lab_station *station, enum kms_method method,
    const char *path, const char *body, int http_status, const char *code)
{
    json_t *answer = NULL;
    int got = lab_call(lab, station, method, path, body, &answer);
    assert_non_null(answer);
    if (got != http_status || strcmp(lab_text(answer, "code"), code) != 0) {
        fail_msg("expected %d %s, got %d %s (%s)", http_status, code, got, lab_text(answer, "code"),
            lab_text(answer, "detail"));
    }
    assert_true(strlen(lab_text(answer, "detail")) > 10);
    json_decref(answer);
}

void lab_login_body(const char *tester, const char *code, bool unattended, char ret_body[256])
{
    (void)snprintf(ret_body, 256, "{\"tester\":\"%s\",\"code\":\"%s\",\"unattended\":%s}", tester,
        code, unattended ? "true" : "false");
}

void lab_login(struct lab *lab, struct lab_station *station, struct lab_tester *tester)
{
    char code[7];
    char body[256];
    json_t *answer = NULL;
    lab->now_us += 31 * LAB_SECOND;
    lab_code(lab, tester, 0, code);
    lab_login_body(tester->name, code, false, body);
    station->token[0] = '\0';
    assert_int_equal(lab_call(lab, station, KMS_POST, "/v1/session", body, &answer), 201);
    (void)snprintf(station->token, sizeof(station->token), "%s", lab_text(answer, "token"));
    assert_int_equal(strlen(station->token), 43);
    json_decref(answer);
}

struct kms_lot lab_lot(const struct lab *lab, const char *id, enum kms_trust trust, unsigned n)
{
    struct kms_lot lot = {
        .chip = "psoc6-ble2",
        .lorawan = PROTO_LORAWAN_1_0,
        .join_eui = { 0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0, 0, 1 },
        .deveui_first = UINT64_C(0x70b3d57ed0010000) + 0x1000U * n,
        .deveui_count = 64,
        .trust = trust,
        .target = 4,
        .allowance = 6,
        .rate = 1000000,
        .created_us = lab->now_us,
        .expires_us = lab->now_us + 240 * LAB_HOUR,
    };
    (void)snprintf(lot.id, sizeof(lot.id), "%s", id);
    memset(lot.image_sha256, 0x11, sizeof(lot.image_sha256));
    return lot;
}

void lab_add_lot(struct lab *lab, const struct kms_lot *lot)
{
    assert_int_equal(kms_store_begin(&lab->home.store, NULL), BASE_OK);
    assert_int_equal(kms_lot_insert(&lab->home.store, lot, NULL), BASE_OK);
    assert_int_equal(kms_store_commit(&lab->home.store, NULL), BASE_OK);
}

const char *lab_text(const json_t *answer, const char *name)
{
    const char *text = json_string_value(json_object_get(answer, name));
    return text != NULL ? text : "";
}
