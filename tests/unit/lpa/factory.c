/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/lpa/factory.h"

#include "base/hex.h"
#include "tests/unit/lpa/factory_parts.h"

#include <stdlib.h>
#include <string.h>

static uint64_t draw(struct factory *f)
{
    uint64_t value = 0;
    (void)!base_random_fill(&f->random.random, &value, sizeof(value), NULL);
    return value;
}

void factory_draw(struct factory *f, uint8_t *data, size_t length)
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

static enum base_status die(struct factory *f, bool power, struct base_err *err)
{
    if (power && f->noted) {
        bool *have = NULL;
        *factory_row(f, f->noted_chip, &have) = f->noted_row;
        *have = f->had_row;
    }
    f->noted = false; /* a process that ends leaves its writes to the system, which has power */
    f->killed = true;
    return gone(err);
}

bool factory_before(struct factory *f, enum fault *fault, enum base_status lost,
    enum base_status *status, struct base_err *err)
{
    if (f->killed) {
        *status = gone(err);
        return true;
    }
    *fault = next_fault(f);
    if (*fault == FAULT_SWAP && !f->no_swap) {
        f->chips[f->socket].dark = f->chips[f->socket].locked; /* out of the fixture, no power */
        f->socket = (f->socket + 1) % FACTORY_CHIPS;
        f->chips[f->socket].running = f->chips[f->socket].image;
    }
    if (*fault == FAULT_KILL_BEFORE || *fault == FAULT_POWER_BEFORE) {
        *status = die(f, *fault == FAULT_POWER_BEFORE, err);
        return true;
    }
    if (*fault == FAULT_LOST_REQUEST) {
        *status = base_err_set(err, lost, "test", 0, "request lost");
        base_err_set_code(err, "unknown");
        return true;
    }
    return false;
}

enum base_status factory_after(
    struct factory *f, enum fault fault, enum base_status lost, struct base_err *err)
{
    if (fault == FAULT_KILL_AFTER || fault == FAULT_POWER_AFTER) {
        return die(f, fault == FAULT_POWER_AFTER, err);
    }
    if (fault == FAULT_LOST_REPLY) {
        (void)base_err_set(err, lost, "test", 0, "reply lost");
        base_err_set_code(err, "unknown");
        return lost;
    }
    return BASE_OK;
}

/* --- journal and log --- */

struct lpa_unit *factory_row(struct factory *f, size_t chip, bool **ret_have)
{
    bool personal = f->stage == LPA_STAGE_PERSONALISE;
    *ret_have = personal ? &f->have_personal_row[chip] : &f->have_row[chip];
    return personal ? &f->personal_rows[chip] : &f->rows[chip];
}

static enum base_status journal_load(void *user, const char *lot,
    const uint8_t chip_id[PROTO_CHIP_ID_SIZE], struct lpa_unit *ret_unit, bool *ret_found,
    struct base_err *err)
{
    BEGIN(BASE_E_IO)
    (void)lot;
    size_t chip = factory_chip(f, chip_id);
    bool *have = NULL;
    struct lpa_unit *row = factory_row(f, chip, &have);
    *ret_found = *have;
    if (*ret_found) {
        *ret_unit = *row;
    }
    END(BASE_E_IO);
}

static enum base_status journal_put(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    BEGIN(BASE_E_IO)
    size_t chip = factory_chip(f, unit->chip_id);
    bool *have = NULL;
    *factory_row(f, chip, &have) = *unit;
    *have = true;
    f->noted = false;
    END(BASE_E_IO);
}

static enum base_status journal_note(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    BEGIN(BASE_E_IO)
    size_t chip = factory_chip(f, unit->chip_id);
    bool *have = NULL;
    struct lpa_unit *row = factory_row(f, chip, &have);
    if (!f->noted || f->noted_chip != chip) {
        f->noted_row = *row;
        f->had_row = *have;
        f->noted_chip = chip;
        f->noted = true;
    }
    *row = *unit;
    *have = true;
    END(BASE_E_IO);
}

static const struct lpa_journal_ops journal_ops = { journal_load, journal_put, journal_note };

const struct lpa_journal_ops factory_lazy_journal_ops = { journal_load, journal_note,
    journal_note };

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
    f->announced = event->id;
    f->announced_chip = factory_chip(f, event->chip_id);
    if (event->statement_sha256 != NULL) {
        base_hex_encode(event->statement_sha256, 32, f->last_intent);
    }
    ret_intent->record = calloc(1, 8);
    ret_intent->view.record = ret_intent->record;
    ret_intent->view.record_length = 8;
    END(BASE_E_AUDIT);
}

/* What the KMS of this factory looks for in a record is the chip's id in front. */
static enum base_status log_sign_record(void *user, const struct auth_record *record,
    char *ret_note, size_t *ret_length, struct base_err *err)
{
    BEGIN(BASE_E_AUDIT)
    base_hex_encode(record->chip_id, sizeof(record->chip_id), ret_note);
    *ret_length = 2 * sizeof(record->chip_id);
    END(BASE_E_AUDIT);
}

static const struct lpa_log_ops log_ops = { log_append, log_intent, log_sign_record };

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
    f->io = (struct lpa_job_io){ &factory_device_ops, f, &factory_kms_ops, f, &journal_ops, f,
        &log_ops, f, &f->clock, NULL };
}

void factory_init_attested(struct factory *f, uint64_t seed)
{
    static const char id[] = "permit-1";
    factory_init(f, seed);
    f->lot.trust = AUTH_TRUST_ATTESTED;
    f->lot.restrict_policy = AUTH_RESTRICT_SECURE;
    f->lot.lock_policy = AUTH_LOCK_APS;
    f->lot.development = false;
    f->lot.has_application = true;
    f->lot.application_sha256[0] = 0xA9;
    f->lot.application_version = 0x01000000;
    memcpy(f->permit.prg.id, id, sizeof(id));
    f->permit.prg.acts = PRG_ACT_REHEARSE | PRG_ACT_RESTRICT | PRG_ACT_LOCK | PRG_ACT_SETTLE;
    f->permit.until_wall_us = INT64_MAX;
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
    f->stage = all.stage;
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
    if (f->broken != NULL) {
        return f->broken;
    }
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
        if (f->lot.lock_policy != AUTH_LOCK_NONE && !(f->chips[i].dark && f->kms_locked[i])) {
            return "PASS for a board that is not locked";
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
