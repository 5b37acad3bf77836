/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/lpa/factory.h"

#include "base/hash.h"
#include "base/hex.h"

#include <stdlib.h>
#include <string.h>

static uint64_t draw(struct factory *f)
{
    uint64_t value = 0;
    (void)!base_random_fill(&f->random.random, &value, sizeof(value), NULL);
    return value;
}

static void draw_bytes(struct factory *f, uint8_t *data, size_t length)
{
    (void)!base_random_fill(&f->random.random, data, length, NULL);
}

/* --- faults --- */

static enum fault next_fault(struct factory *f)
{
    f->calls++;
    if (f->calls == f->fault_at) {
        return f->fault;
    }
    if (f->budget > 0 && draw(f) % f->every == 0) {
        f->budget--;
        return (enum fault)(draw(f) % (FAULT_COUNT - 1) + 1);
    }
    return FAULT_NONE;
}

static enum base_status gone(struct base_err *err)
{
    return base_err_set(err, BASE_E_CANCELLED, "test", 0, "killed");
}

/* True when the call must not happen; *status is what the caller gets. */
static bool before(struct factory *f, enum fault *fault, enum base_status lost,
    enum base_status *status, struct base_err *err)
{
    if (f->killed) {
        *status = gone(err);
        return true;
    }
    *fault = next_fault(f);
    if (*fault == FAULT_SWAP) {
        f->socket = (f->socket + 1) % FACTORY_CHIPS;
        f->chips[f->socket].running = f->chips[f->socket].image;
    }
    if (*fault == FAULT_KILL_BEFORE) {
        f->killed = true;
        *status = gone(err);
        return true;
    }
    if (*fault == FAULT_LOST_REQUEST) {
        *status = base_err_set(err, lost, "test", 0, "request lost");
        base_err_set_code(err, "unknown");
        return true;
    }
    return false;
}

static enum base_status after(
    struct factory *f, enum fault fault, enum base_status lost, struct base_err *err)
{
    if (fault == FAULT_KILL_AFTER) {
        f->killed = true;
        return gone(err);
    }
    if (fault == FAULT_LOST_REPLY) {
        (void)base_err_set(err, lost, "test", 0, "reply lost");
        base_err_set_code(err, "unknown");
        return lost;
    }
    return BASE_OK;
}

#define BEGIN(lost)                                                                                \
    struct factory *f = user;                                                                      \
    enum fault fault = FAULT_NONE;                                                                 \
    enum base_status begun = BASE_OK;                                                              \
    if (before(f, &fault, (lost), &begun, err)) {                                                  \
        return begun;                                                                              \
    }
#define END(lost) return after(f, fault, (lost), err)

/* --- device --- */

static struct chip *here(struct factory *f)
{
    return &f->chips[f->socket];
}

static enum base_status no_answer(struct base_err *err)
{
    return base_err_set(err, BASE_E_TIMEOUT, "SWD", 0, "no mailbox");
}

static enum base_status dev_examine(void *user, struct lpa_exam *ret_exam, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    chip->running = false;
    memset(ret_exam, 0, sizeof(*ret_exam));
    memcpy(ret_exam->chip_id, chip->id, 8);
    ret_exam->silicon_id = chip->wrong_family ? 0x0102E453 : 0x0100E207;
    ret_exam->lifecycle = PROTO_LIFECYCLE_NORMAL;
    ret_exam->image_equal = chip->image;
    ret_exam->vault_written = chip->vault != PROTO_VAULT_EMPTY;
    END(BASE_E_LINK);
}

static enum base_status dev_program(void *user, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    f->programs++;
    here(f)->image = fault != FAULT_LOST_REPLY; /* a cut leaves half an image */
    here(f)->old_bootloader = false;
    END(BASE_E_LINK);
}

static enum base_status dev_verify(void *user, bool *ret_equal, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    *ret_equal = here(f)->image && !here(f)->dead_flash;
    END(BASE_E_LINK);
}

static enum base_status dev_boot(void *user, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    if (!chip->image && !chip->old_bootloader) {
        return no_answer(err);
    }
    chip->running = true;
    END(BASE_E_LINK);
}

static enum base_status dev_hello(void *user, struct proto_hello *ret_hello, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    if (!chip->running) {
        return no_answer(err);
    }
    memset(ret_hello, 0, sizeof(*ret_hello));
    memcpy(ret_hello->chip_id, chip->id, 8);
    ret_hello->health = PROTO_OK;
    ret_hello->vault_state = (uint8_t)chip->vault;
    ret_hello->key_version = chip->key_version;
    END(BASE_E_LINK);
}

static enum base_status dev_statement(void *user, const uint8_t authority[PROTO_KEY_ID_SIZE],
    uint8_t ret_statement[PROTO_STATEMENT_SIZE], struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    if (!chip->running) {
        return no_answer(err);
    }
    if (chip->vault == PROTO_VAULT_EMPTY) {
        chip->vault = PROTO_VAULT_IDENTITY;
        draw_bytes(f, chip->key, sizeof(chip->key));
        chip->key[0] = 4;
        draw_bytes(f, chip->nonce, sizeof(chip->nonce));
    }
    struct proto_statement statement = {
        .silicon_id = 0x0100E207,
        .lifecycle = PROTO_LIFECYCLE_NORMAL,
        .flags = PROTO_FLAG_LAB,
        .vault_state = (uint8_t)chip->vault,
        .key_version = chip->key_version,
    };
    memcpy(statement.authority_key_id, authority, PROTO_KEY_ID_SIZE);
    memcpy(statement.chip_id, chip->id, 8);
    memcpy(statement.public_key, chip->key, sizeof(chip->key));
    memcpy(statement.nonce, chip->nonce, sizeof(chip->nonce));
    proto_statement_encode(&statement, ret_statement);
    END(BASE_E_LINK);
}

static enum base_status dev_install(void *user, const uint8_t *envelope, size_t length,
    uint32_t *ret_status, uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    struct proto_envelope view;
    if (!chip->running) {
        return no_answer(err);
    }
    if (proto_envelope_decode(envelope, length, &view) != PROTO_OK) {
        *ret_status = PROTO_BAD_FIELD;
    } else if (memcmp(view.header.chip_id, chip->id, 8) != 0) {
        *ret_status = PROTO_WRONG_CHIP;
    } else if (chip->vault == PROTO_VAULT_COMMITTED &&
               memcmp(view.header.envelope_id, chip->envelope_id, 16) == 0) {
        *ret_status = PROTO_ALREADY;
    } else if (memcmp(view.header.nonce, chip->nonce, 16) != 0) {
        *ret_status = PROTO_WRONG_NONCE;
    } else if (view.header.key_version <= chip->key_version) {
        *ret_status = PROTO_OLD_KEY_VERSION;
    } else {
        struct proto_receipt receipt = { .purpose = view.header.purpose,
            .key_version = view.header.key_version };
        memcpy(receipt.envelope_id, view.header.envelope_id, 16);
        memcpy(receipt.chip_id, chip->id, 8);
        base_sha256(envelope, length, receipt.envelope_hash);
        memcpy(chip->envelope_id, view.header.envelope_id, 16);
        chip->key_version = view.header.key_version;
        chip->vault = PROTO_VAULT_COMMITTED;
        chip->nonce_no++;
        draw_bytes(f, chip->nonce, sizeof(chip->nonce));
        proto_receipt_encode(&receipt, chip->receipt);
        *ret_status = PROTO_OK;
    }
    memcpy(ret_receipt, chip->receipt, PROTO_RECEIPT_SIZE);
    END(BASE_E_LINK);
}

static enum base_status dev_receipt(
    void *user, uint32_t *ret_status, uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    if (!chip->running) {
        return no_answer(err);
    }
    *ret_status = chip->vault == PROTO_VAULT_COMMITTED ? PROTO_OK : PROTO_NO_RECORD;
    memcpy(ret_receipt, chip->receipt, PROTO_RECEIPT_SIZE);
    END(BASE_E_LINK);
}

static enum base_status dev_self_test(
    void *user, uint8_t ret_join_request[PROTO_JOIN_REQUEST_SIZE], struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    memset(ret_join_request, 0xA5, PROTO_JOIN_REQUEST_SIZE);
    END(BASE_E_LINK);
}

static const struct lpa_device_ops device_ops = { dev_examine, dev_program, dev_verify, dev_boot,
    dev_hello, dev_statement, dev_install, dev_receipt, dev_self_test };

/* --- KMS --- */

static size_t chip_index(const struct factory *f, const uint8_t id[8])
{
    for (size_t i = 0; i < FACTORY_CHIPS; i++) {
        if (memcmp(f->chips[i].id, id, 8) == 0) {
            return i;
        }
    }
    return 0;
}

static struct grant *live_grant(struct factory *f, const uint8_t chip_id[8])
{
    struct grant *found = NULL;
    for (size_t i = 0; i < f->grant_count; i++) {
        struct grant *grant = &f->grants[i];
        if (memcmp(grant->chip_id, chip_id, 8) != 0 || grant->state == GRANT_SUPERSEDED) {
            continue;
        }
        if (found == NULL || found->state != GRANT_OPEN) {
            found = grant;
        }
    }
    return found;
}

static void describe(struct factory *f, const uint8_t chip_id[8], struct auth_unit *ret_unit)
{
    static const enum auth_unit_state states[] = { AUTH_UNIT_UNKNOWN, AUTH_UNIT_OPEN,
        AUTH_UNIT_CONFIRMED, AUTH_UNIT_SCRAPPED, AUTH_UNIT_UNKNOWN };
    struct grant *grant = live_grant(f, chip_id);
    memset(ret_unit, 0, sizeof(*ret_unit));
    if (grant == NULL) {
        return;
    }
    ret_unit->state = states[grant->state];
    memcpy(ret_unit->lot, grant->lot, sizeof(ret_unit->lot));
    base_hex_encode(grant->envelope_id, 16, ret_unit->grant_id);
    memcpy(ret_unit->dev_eui, grant->dev_eui, 8);
    bool elsewhere = strcmp(grant->lot, f->lot.id) != 0;
    if (elsewhere && grant->state != GRANT_SCRAPPED) {
        ret_unit->state = AUTH_UNIT_ELSEWHERE;
    }
}

static enum base_status kms_get_unit(void *user, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
    struct auth_unit *ret_unit, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    describe(f, chip_id, ret_unit);
    END(BASE_E_REMOTE);
}

static enum base_status deny(struct base_err *err, const char *code)
{
    (void)base_err_set(err, BASE_E_DENIED, "HTTP", 409, "refused: %s", code);
    base_err_set_code(err, code);
    return BASE_E_DENIED;
}

static void answer(const struct grant *grant, bool repeated, struct auth_grant *ret_grant)
{
    memset(ret_grant, 0, sizeof(*ret_grant));
    base_hex_encode(grant->envelope_id, 16, ret_grant->grant_id);
    memcpy(ret_grant->dev_eui, grant->dev_eui, 8);
    ret_grant->key_version = grant->key_version;
    ret_grant->device_trust = AUTH_TRUST_TOFU;
    ret_grant->repeated = repeated;
    memcpy(ret_grant->envelope, grant->envelope, PROTO_ENVELOPE_SIZE);
    ret_grant->envelope_length = PROTO_ENVELOPE_SIZE;
}

static void make_envelope(struct factory *f, struct grant *grant, enum proto_purpose purpose)
{
    struct proto_envelope_header header = { .purpose = (uint8_t)purpose,
        .lorawan_version = f->lot.lorawan_version,
        .keys = PROTO_KEY_APP,
        .key_version = grant->key_version };
    memcpy(header.envelope_id, grant->envelope_id, 16);
    memcpy(header.chip_id, grant->chip_id, 8);
    memcpy(header.dev_eui, grant->dev_eui, 8);
    memcpy(header.join_eui, f->lot.join_eui, 8);
    memcpy(header.nonce, grant->nonce, 16);
    memcpy(header.authority_key_id, f->lot.authority_key_id, 8);
    draw_bytes(f, grant->envelope, sizeof(grant->envelope));
    proto_envelope_header_encode(&header, grant->envelope);
    grant->envelope[PROTO_ENVELOPE_HEADER_SIZE] = 4;
}

static enum base_status new_grant(struct factory *f, const struct proto_statement *statement,
    const struct grant *old, struct auth_grant *ret_grant, struct base_err *err)
{
    if (old == NULL && f->dev_euis >= f->allowance) {
        return deny(err, "quota_used_up");
    }
    if (f->grant_count == FACTORY_GRANTS) {
        return deny(err, "quota_used_up");
    }
    struct grant *grant = &f->grants[f->grant_count++];
    memset(grant, 0, sizeof(*grant));
    grant->state = GRANT_OPEN;
    memcpy(grant->lot, f->lot.id, sizeof(grant->lot));
    memcpy(grant->chip_id, statement->chip_id, 8);
    memcpy(grant->key, statement->public_key, 65);
    memcpy(grant->nonce, statement->nonce, 16);
    draw_bytes(f, grant->envelope_id, 16);
    grant->key_version = old == NULL ? 1 : old->key_version + 1;
    if (old == NULL) {
        grant->dev_eui[7] = (uint8_t)++f->dev_euis;
    } else {
        memcpy(grant->dev_eui, old->dev_eui, 8);
    }
    make_envelope(f, grant, old == NULL ? PROTO_PURPOSE_INSTALL : PROTO_PURPOSE_REWORK);
    answer(grant, false, ret_grant);
    return BASE_OK;
}

static enum base_status decide_grant(struct factory *f, const struct proto_statement *statement,
    struct auth_grant *ret_grant, struct base_err *err)
{
    for (size_t i = 0; i < f->grant_count && !f->no_idempotency; i++) {
        const struct grant *grant = &f->grants[i];
        if (memcmp(grant->chip_id, statement->chip_id, 8) == 0 &&
            memcmp(grant->key, statement->public_key, 65) == 0 &&
            memcmp(grant->nonce, statement->nonce, 16) == 0) {
            if (grant->state == GRANT_SCRAPPED) {
                return deny(err, "grant_scrapped");
            }
            answer(grant, true, ret_grant);
            return BASE_OK;
        }
    }
    const struct grant *live = f->no_idempotency ? NULL : live_grant(f, statement->chip_id);
    size_t chip = chip_index(f, statement->chip_id);
    if (live == NULL) {
        return new_grant(f, statement, NULL, ret_grant, err);
    }
    if (memcmp(live->key, statement->public_key, 65) != 0) {
        return deny(err, "chip_known");
    }
    if (live->state == GRANT_OPEN) {
        return deny(err, "receipt_first");
    }
    if (live->state == GRANT_SCRAPPED || !f->rework[chip]) {
        return deny(err, "rework_needed");
    }
    f->rework[chip] = false;
    return new_grant(f, statement, live, ret_grant, err);
}

/* The intent must stand in journal and log before the request leaves. */
static bool written_down(const struct factory *f, const uint8_t *statement, size_t length)
{
    struct proto_statement decoded;
    uint8_t hash[32];
    char text[65];
    if (proto_statement_decode(statement, length, &decoded) != PROTO_OK) {
        return false;
    }
    size_t chip = chip_index(f, decoded.chip_id);
    const struct lpa_unit *row = &f->rows[chip];
    base_sha256(statement, length, hash);
    base_hex_encode(hash, 32, text);
    return f->have_row[chip] && row->step == LPA_STEP_GRANT && row->phase == LPA_PHASE_DO &&
           row->statement_length == length && memcmp(row->statement, statement, length) == 0 &&
           strcmp(text, f->last_intent) == 0;
}

static enum base_status kms_grant(void *user, const uint8_t *statement, size_t length,
    const struct auth_intent *intent, struct auth_grant *ret_grant, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    struct proto_statement decoded;
    if (intent == NULL || intent->record_length == 0 || !written_down(f, statement, length)) {
        f->asked_without_intent = true;
    }
    if (proto_statement_decode(statement, length, &decoded) != PROTO_OK) {
        return deny(err, "statement_bad");
    }
    enum base_status status = decide_grant(f, &decoded, ret_grant, err);
    if (status != BASE_OK) {
        return status;
    }
    END(BASE_E_REMOTE);
}

static void supersede(struct factory *f, const struct grant *by)
{
    for (size_t i = 0; i < f->grant_count; i++) {
        struct grant *grant = &f->grants[i];
        if (grant != by && memcmp(grant->chip_id, by->chip_id, 8) == 0 &&
            grant->state == GRANT_CONFIRMED) {
            grant->state = GRANT_SUPERSEDED;
        }
    }
}

static enum base_status decide_confirm(struct factory *f, const char *grant_id,
    const uint8_t *receipt, size_t length, struct auth_confirmation *ret, struct base_err *err)
{
    struct proto_receipt decoded;
    if (proto_receipt_decode(receipt, length, &decoded) != PROTO_OK) {
        return deny(err, "receipt_bad");
    }
    for (size_t i = 0; i < f->grant_count; i++) {
        struct grant *grant = &f->grants[i];
        char id[33];
        uint8_t hash[32];
        base_hex_encode(grant->envelope_id, 16, id);
        if (strcmp(id, grant_id) != 0) {
            continue;
        }
        base_sha256(grant->envelope, sizeof(grant->envelope), hash);
        if (memcmp(hash, decoded.envelope_hash, 32) != 0 ||
            memcmp(decoded.chip_id, grant->chip_id, 8) != 0) {
            return deny(err, "receipt_bad");
        }
        if (grant->state == GRANT_SCRAPPED) {
            return deny(err, "grant_scrapped");
        }
        memset(ret, 0, sizeof(*ret));
        ret->repeated = grant->state != GRANT_OPEN;
        memcpy(ret->dev_eui, grant->dev_eui, 8);
        if (grant->state == GRANT_OPEN) {
            grant->state = GRANT_CONFIRMED;
            supersede(f, grant);
        }
        struct grant *live = live_grant(f, grant->chip_id);
        if (f->rework[chip_index(f, grant->chip_id)] ||
            (live != NULL && live != grant && live->state == GRANT_OPEN)) {
            ret->open_work.state = AUTH_UNIT_OPEN;
        }
        return BASE_OK;
    }
    return deny(err, "grant_unknown");
}

static enum base_status kms_confirm(void *user, const char *grant_id, const uint8_t *receipt,
    size_t length, struct auth_confirmation *ret_confirmation, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    enum base_status status = decide_confirm(f, grant_id, receipt, length, ret_confirmation, err);
    if (status != BASE_OK) {
        return status;
    }
    END(BASE_E_REMOTE);
}

static enum base_status kms_register(
    void *user, const uint8_t *statement, size_t length, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    struct proto_statement decoded;
    if (proto_statement_decode(statement, length, &decoded) != PROTO_OK) {
        return deny(err, "statement_bad");
    }
    f->registered[chip_index(f, decoded.chip_id)] = true;
    END(BASE_E_REMOTE);
}

static const struct lpa_kms_ops kms_ops = { kms_get_unit, kms_grant, kms_confirm, kms_register };

/* --- journal and log --- */

static enum base_status journal_load(void *user, const char *lot,
    const uint8_t chip_id[PROTO_CHIP_ID_SIZE], struct lpa_unit *ret_unit, bool *ret_found,
    struct base_err *err)
{
    BEGIN(BASE_E_IO)
    (void)lot;
    size_t chip = chip_index(f, chip_id);
    *ret_found = f->have_row[chip];
    if (*ret_found) {
        *ret_unit = f->rows[chip];
    }
    END(BASE_E_IO);
}

static enum base_status journal_put(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    BEGIN(BASE_E_IO)
    size_t chip = chip_index(f, unit->chip_id);
    f->rows[chip] = *unit;
    f->have_row[chip] = true;
    END(BASE_E_IO);
}

static const struct lpa_journal_ops journal_ops = { journal_load, journal_put };

static enum base_status log_append(void *user, const struct lpa_event *event, struct base_err *err)
{
    BEGIN(BASE_E_AUDIT)
    (void)event;
    if (f->log_full) {
        return base_err_set(err, BASE_E_AUDIT, "log", 0, "disk full");
    }
    f->records++;
    END(BASE_E_AUDIT);
}

static enum base_status log_intent(
    void *user, const struct lpa_event *event, struct lpa_intent *ret_intent, struct base_err *err)
{
    BEGIN(BASE_E_AUDIT)
    if (f->log_full) {
        return base_err_set(err, BASE_E_AUDIT, "log", 0, "disk full");
    }
    f->intents++;
    base_hex_encode(event->statement_sha256, 32, f->last_intent);
    ret_intent->record = calloc(1, 8);
    ret_intent->view.record = ret_intent->record;
    ret_intent->view.record_length = 8;
    END(BASE_E_AUDIT);
}

static const struct lpa_log_ops log_ops = { log_append, log_intent };

static int64_t clock_now(void *user)
{
    const struct factory *f = user;
    return f->now_us;
}

static void clock_sleep(void *user, int64_t duration_us)
{
    struct factory *f = user;
    f->now_us += duration_us;
}

void factory_init(struct factory *f, uint64_t seed)
{
    memset(f, 0, sizeof(*f));
    base_random_seeded_init(&f->random, seed);
    for (size_t i = 0; i < FACTORY_CHIPS; i++) {
        f->chips[i].id[7] = (uint8_t)(i + 1);
    }
    f->allowance = FACTORY_CHIPS + 1;
    f->every = 12;
    f->now_us = INT64_C(1800000000000000);
    f->clock = (struct base_clock){ clock_now, clock_now, clock_sleep, f };
    f->lot = (struct auth_lot){ .id = "LOT-1",
        .chip = "psoc6-ble2",
        .lorawan_version = PROTO_LORAWAN_1_0,
        .trust = AUTH_TRUST_TOFU,
        .development = true };
    f->lot.join_eui[0] = 0x70;
    f->lot.authority_key_id[0] = 0xAB;
    f->io = (struct lpa_job_io){ &device_ops, f, &kms_ops, f, &journal_ops, f, &log_ops, f,
        &f->clock, NULL };
}

enum lpa_job_next factory_run(
    struct factory *f, const struct lpa_job_opts *opts, struct lpa_job *ret_job)
{
    struct lpa_job_opts all = { .site = "tcp:test" };
    if (opts != NULL) {
        all = *opts;
    }
    all.lot = &f->lot;
    f->killed = false;
    lpa_job_init(ret_job, &f->io, &all);
    enum lpa_job_next next = LPA_JOB_MORE;
    while (next == LPA_JOB_MORE && !f->killed) {
        next = lpa_job_step(ret_job);
    }
    lpa_job_done(ret_job);
    return f->killed ? LPA_JOB_STOPPED : next;
}

static const char *check_pairs(const struct factory *f)
{
    for (size_t i = 0; i < f->grant_count; i++) {
        for (size_t k = i + 1; k < f->grant_count; k++) {
            const struct grant *a = &f->grants[i];
            const struct grant *b = &f->grants[k];
            bool same_eui = memcmp(a->dev_eui, b->dev_eui, 8) == 0;
            bool same_chip = memcmp(a->chip_id, b->chip_id, 8) == 0;
            if (same_eui && !same_chip) {
                return "a DevEUI on two chips";
            }
            if (same_chip && !same_eui) {
                return "more than one DevEUI for one chip";
            }
            if (same_chip && a->state == GRANT_OPEN && b->state == GRANT_OPEN) {
                return "two open grants for one chip";
            }
        }
    }
    return NULL;
}

const char *factory_check(const struct factory *f)
{
    if (f->asked_without_intent) {
        return "a grant was asked for that nobody wrote down first";
    }
    for (size_t i = 0; i < FACTORY_CHIPS; i++) {
        if (!f->have_row[i] || f->rows[i].result != LPA_RESULT_PASS) {
            continue;
        }
        struct grant *grant = NULL;
        for (size_t k = 0; k < f->grant_count; k++) {
            if (memcmp(f->grants[k].envelope_id, f->chips[i].envelope_id, 16) == 0) {
                grant = (struct grant *)(uintptr_t)&f->grants[k];
            }
        }
        if (grant == NULL || memcmp(grant->chip_id, f->chips[i].id, 8) != 0) {
            return "PASS for a board that does not hold its own grant";
        }
        if (grant->state != GRANT_CONFIRMED && grant->state != GRANT_SUPERSEDED) {
            return "PASS for a board that the KMS has not confirmed";
        }
        if (memcmp(f->rows[i].dev_eui, grant->dev_eui, 8) != 0) {
            return "PASS with another DevEUI than the chip's";
        }
    }
    return check_pairs(f);
}

const char *factory_check_done(const struct factory *f)
{
    for (size_t i = 0; i < f->grant_count; i++) {
        if (f->grants[i].state == GRANT_OPEN) {
            return "a grant is left open";
        }
    }
    for (size_t i = 0; i < FACTORY_CHIPS; i++) {
        if (!f->have_row[i] || f->rows[i].result != LPA_RESULT_PASS) {
            return "a board is left without PASS";
        }
    }
    return f->dev_euis == FACTORY_CHIPS ? NULL : "not one DevEUI per board";
}
