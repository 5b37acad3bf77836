/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "lpa/job_table.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Family 0x100 (PSoC 6 BLE-2 die) in the upper half of the silicon id (TRM 002-18176, CPUSS). */
#define FAMILY_BLE2 0x100U

void lpa_job_raise(struct lpa_job *job, enum lpa_state state)
{
    if (job->unit.state < state) {
        job->unit.state = state;
    }
}

/* --- examine: who is there, what does the KMS know of it? --- */

static bool due_examine(const struct lpa_job *job)
{
    return !job->examined;
}

static enum base_status do_examine(struct lpa_job *job, struct base_err *err)
{
    return job->io->device->examine(job->io->device_user, &job->exam, err);
}

static enum base_status remember(struct lpa_job *job, struct base_err *err)
{
    struct lpa_unit row = { 0 };
    bool found = false;
    enum base_status status = job->io->journal->load(
        job->io->journal_user, job->lot.id, job->exam.chip_id, &row, &found, err);
    if (status != BASE_OK) {
        return status;
    }
    if (found) {
        memcpy(row.site, job->unit.site, sizeof(row.site));
        row.started_wall_us = job->unit.started_wall_us;
        job->unit = row;
    }
    memcpy(job->unit.chip_id, job->exam.chip_id, sizeof(job->unit.chip_id));
    job->unit.probe = job->exam.probe;
    job->unit.attempt++;
    job->unit.result = LPA_RESULT_NONE;
    job->unit.permanent = false;
    memset(job->unit.code, 0, sizeof(job->unit.code));
    memset(job->unit.message, 0, sizeof(job->unit.message));
    return BASE_OK;
}

/* Asked even when the journal says PASS (rule 4): another station, a scrap or a rework order may
 * have changed what is to be done. */
static enum base_status ask_kms(struct lpa_job *job, struct base_err *err)
{
    struct base_err cause = { 0 };
    unsigned tries = 0;
    do {
        base_err_clear(&cause);
        (void)!job->io->kms->get_unit(job->io->kms_user, job->exam.chip_id, &job->known, &cause);
    } while (lpa_job_again(job, &cause, &tries));
    if (cause.status != BASE_OK && err != NULL) {
        *err = cause;
    }
    return cause.status;
}

static enum base_status check_examine(struct lpa_job *job, struct base_err *err)
{
    if (job->exam.silicon_id >> 16 != FAMILY_BLE2) {
        return lpa_job_refuse(err, BASE_E_TARGET, "wrong_chip",
            "the chip says silicon id 0x%08x, which is not of the PSoC 6 BLE-2 family 0x%03x",
            job->exam.silicon_id, FAMILY_BLE2);
    }
    if (job->exam.lifecycle == PROTO_LIFECYCLE_DEAD) {
        return lpa_job_refuse(err, BASE_E_TARGET, "chip_dead", "the chip is in the DEAD lifecycle");
    }
    enum base_status status = remember(job, err);
    if (status != BASE_OK) {
        return status;
    }
    job->examined = true;
    status = ask_kms(job, err);
    if (status != BASE_OK) {
        return status;
    }
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_DEVICE_DETECT);
    event.result = "ok";
    return lpa_job_log(job, &event, err);
}

/* --- boot: start the bootloader that is there and listen to it --- */

/* The lot restricts, and this board is not restricted: its bootloader would make no key. */
static bool port_is_open(const struct lpa_job *job)
{
    return job->lot.restrict_policy == AUTH_RESTRICT_SECURE && !job->exam.closed;
}

static bool due_boot(const struct lpa_job *job)
{
    bool old_to_ask = !job->exam.image_equal && job->exam.vault_written && !job->asked_old;
    bool ready = job->exam.image_equal && !port_is_open(job) && !lpa_due_application(job);
    return !job->have_hello && (ready || old_to_ask);
}

static enum base_status do_boot(struct lpa_job *job, struct base_err *err)
{
    struct base_err cause = { 0 };
    enum base_status status = job->io->device->boot(job->io->device_user, &cause);
    if (status == BASE_OK) {
        return lpa_job_same_chip(job, err);
    }
    if (!job->exam.image_equal && status != BASE_E_LINK) {
        /* Another image that does not speak: the lot's own image will ask for the receipt. */
        return BASE_OK;
    }
    if (err != NULL && err->status == BASE_OK) {
        *err = cause;
    }
    return status;
}

static enum base_status check_boot(struct lpa_job *job, struct base_err *err)
{
    if (job->hello.vault_state == PROTO_VAULT_FORGOTTEN) {
        return lpa_job_refuse(err, BASE_E_DENIED, "forgotten",
            "this board was scrapped and has forgotten its identity: it gets no keys any more");
    }
    if (!job->exam.image_equal) {
        job->asked_old = true;
        return BASE_OK;
    }
    if (job->hello.health != PROTO_OK) {
        (void)base_err_set(err, BASE_E_TARGET, "device", job->hello.health,
            "the bootloader's start-up check says: %s", proto_status_text(job->hello.health));
        return BASE_E_TARGET;
    }
    lpa_job_raise(job, LPA_STATE_PROGRAMMED);
    return BASE_OK;
}

/* --- admit: may this unit go on in this lot? --- */

static bool due_admit(const struct lpa_job *job)
{
    bool nothing_to_ask =
        job->exam.image_equal ? port_is_open(job) : job->asked_old || !job->exam.vault_written;
    return !job->admitted && (job->have_hello || nothing_to_ask);
}

static enum base_status do_admit(struct lpa_job *job, struct base_err *err)
{
    (void)job;
    (void)err;
    return BASE_OK;
}

static enum base_status refuse_open(struct lpa_job *job, struct base_err *err)
{
    if (!lpa_job_restricts(job)) {
        return lpa_job_refuse(err, BASE_E_DENIED, "not_restricted",
            "this board's debug port is open, and lot %s takes none but restricted ones",
            job->lot.id);
    }
    if (job->exam.vault_written) {
        return lpa_job_refuse(err, BASE_E_DENIED, "vault_exposed",
            "this board's vault was written while its port was open, so its keys may be known");
    }
    return BASE_OK;
}

/* Nobody can read a restricted board again: without its record it stays without keys. */
static bool record_is_lost(const struct lpa_job *job)
{
    return job->opts.stage == LPA_STAGE_PERSONALISE && job->lot.trust == AUTH_TRUST_ATTESTED &&
           job->exam.closed && job->unit.record_length == 0 &&
           job->known.state != AUTH_UNIT_REGISTERED;
}

static enum base_status refuse_unit(struct lpa_job *job, struct base_err *err)
{
    if (job->known.state == AUTH_UNIT_SCRAPPED || job->known.state == AUTH_UNIT_RETIRED) {
        if (job->unit.state != LPA_STATE_FORGOTTEN) {
            job->unit.state = job->known.wiped ? LPA_STATE_WIPED : LPA_STATE_SCRAPPED;
        }
        return lpa_job_refuse(err, BASE_E_DENIED, "unit_scrapped",
            "this unit was scrapped; its DevEUI is retired%s",
            job->known.wiped ? ", and its board is wiped" : "");
    }
    if (job->known.state == AUTH_UNIT_ELSEWHERE) {
        /* Its receipt was handed in on the way, for the lot that has it: this lot's books do not
         * count it. */
        job->unit.state = LPA_STATE_BLANK;
        job->unit.grant_id[0] = '\0';
        job->unit.receipt_length = 0;
        job->unit.key_version = 0;
        memset(job->unit.dev_eui, 0, sizeof(job->unit.dev_eui));
        return lpa_job_refuse(err, BASE_E_DENIED, "unit_elsewhere",
            "this chip is open or confirmed in lot %s", job->known.lot);
    }
    bool holds_keys = job->have_hello && job->hello.vault_state >= PROTO_VAULT_COMMITTED;
    if (port_is_open(job)) {
        return refuse_open(job, err);
    }
    if (job->opts.stage == LPA_STAGE_PERSONALISE && holds_keys) {
        return lpa_job_refuse(err, BASE_E_DENIED, "already_provisioned",
            "this chip holds root keys already, so it is past personalisation");
    }
    if (record_is_lost(job)) {
        return lpa_job_refuse(err, BASE_E_DENIED, "record_lost",
            "this board is restricted, but this station has no record of what it read before");
    }
    return BASE_OK;
}

static enum base_status check_admit(struct lpa_job *job, struct base_err *err)
{
    enum base_status status = refuse_unit(job, err);
    if (status != BASE_OK) {
        return status;
    }
    job->admitted = true;
    bool known = job->opts.stage == LPA_STAGE_PERSONALISE &&
                 job->known.state == AUTH_UNIT_REGISTERED && job->unit.record_length == 0 &&
                 job->exam.closed;
    if (known) { /* another station did it; its record is the KMS's */
        job->registered = true;
        lpa_job_raise(job, LPA_STATE_PERSONALISED);
    }
    return BASE_OK;
}

/* --- program: the image's own rows, never the vault --- */

static bool due_program(const struct lpa_job *job)
{
    return job->admitted && !job->exam.image_equal;
}

static enum base_status do_program(struct lpa_job *job, struct base_err *err)
{
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_FW_PROGRAM);
    event.image_sha256 = job->lot.image_sha256;
    enum base_status status = lpa_job_log(job, &event, err);
    return status == BASE_OK ? job->io->device->program(job->io->device_user, err) : status;
}

enum base_status lpa_job_log_verify(struct lpa_job *job, struct lpa_event *event, const char *what,
    bool equal, struct base_err *err)
{
    event->result = equal ? "ok" : "fail";
    enum base_status status = lpa_job_log(job, event, err);
    if (status == BASE_OK && !equal) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "flash_differs",
            "the digest of the flash differs from the %s's after programming", what);
    }
    return status;
}

static enum base_status check_program(struct lpa_job *job, struct base_err *err)
{
    bool equal = false;
    enum base_status status = job->io->device->verify(job->io->device_user, &equal, err);
    if (status != BASE_OK) {
        return status;
    }
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_FW_VERIFY);
    event.image_sha256 = job->lot.image_sha256;
    status = lpa_job_log_verify(job, &event, "image", equal, err);
    if (status != BASE_OK) {
        return status;
    }
    job->exam.image_equal = true;
    job->have_hello = false;
    lpa_job_raise(job, LPA_STATE_PROGRAMMED);
    return BASE_OK;
}

/* --- identify: the chip's own statement --- */

static bool due_identify(const struct lpa_job *job)
{
    bool wanted = !job->confirmed || job->work_open;
    return job->admitted && job->exam.image_equal && job->have_hello && !job->have_statement &&
           wanted;
}

static enum base_status do_identify(struct lpa_job *job, struct base_err *err)
{
    job->unit.statement_length = 0;
    enum base_status status = job->io->device->statement(
        job->io->device_user, job->lot.authority_key_id, job->unit.statement, err);
    if (status == BASE_OK) {
        job->unit.statement_length = PROTO_STATEMENT_SIZE;
    }
    return status;
}

static enum base_status check_statement(struct lpa_job *job, struct base_err *err)
{
    struct proto_statement *statement = &job->statement;
    enum proto_status decoded =
        proto_statement_decode(job->unit.statement, job->unit.statement_length, statement);
    if (decoded != PROTO_OK) {
        return lpa_job_refuse(err, BASE_E_PROTO, "statement_bad",
            "the device's statement is malformed: %s", proto_status_text(decoded));
    }
    if (memcmp(statement->chip_id, job->unit.chip_id, sizeof(statement->chip_id)) != 0) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "board_changed",
            "the statement names another chip than the one examined");
    }
    if (memcmp(statement->authority_key_id, job->lot.authority_key_id,
            sizeof(statement->authority_key_id)) != 0) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "wrong_authority",
            "the statement is made for another provisioning authority than the lot's");
    }
    static const uint8_t required[] = PROTO_RESTRICT_REQUIRED;
    bool secure = statement->lifecycle == PROTO_LIFECYCLE_SECURE &&
                  memcmp(statement->restrictions, required, sizeof(required)) == 0;
    if (job->lot.restrict_policy == AUTH_RESTRICT_SECURE && !secure) {
        return lpa_job_refuse(err, BASE_E_DENIED, "not_restricted",
            "the chip says that its port is not restricted as lot %s demands", job->lot.id);
    }
    if ((statement->flags & PROTO_FLAG_LAB) != 0 && !job->lot.development) {
        return lpa_job_refuse(err, BASE_E_DENIED, "lab_refused",
            "the bootloader is a lab build, which lot %s does not take", job->lot.id);
    }
    return BASE_OK;
}

static enum base_status check_identify(struct lpa_job *job, struct base_err *err)
{
    enum base_status status = check_statement(job, err);
    if (status != BASE_OK) {
        return status;
    }
    uint8_t key_hash[BASE_SHA256_BYTES];
    base_sha256(job->statement.public_key, sizeof(job->statement.public_key), key_hash);
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_DEVICE_IDENTIFY);
    event.result = "ok";
    event.public_key_sha256 = key_hash;
    event.image_sha256 = job->statement.bootloader_hash;
    event.bootloader_version = job->statement.bootloader_version;
    status = lpa_job_log(job, &event, err);
    if (status != BASE_OK) {
        return status;
    }
    job->have_statement = true;
    lpa_job_raise(job, LPA_STATE_IDENTIFIED);
    return BASE_OK;
}

/* --- self-test: before a lock, after which nothing answers --- */

static bool due_self_test(const struct lpa_job *job)
{
    return job->opts.self_test && job->opts.stage == LPA_STAGE_PROVISION && job->admitted &&
           job->have_hello && job->confirmed && !job->work_open && !job->have_join_request &&
           job->unit.state != LPA_STATE_ZEROISED;
}

static enum base_status do_self_test(struct lpa_job *job, struct base_err *err)
{
    return job->io->device->self_test(job->io->device_user, job->join_request, err);
}

static enum base_status check_self_test(struct lpa_job *job, struct base_err *err)
{
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_SELF_TEST);
    event.result = "ok";
    event.dev_eui = job->unit.dev_eui;
    enum base_status status = lpa_job_log(job, &event, err);
    if (status == BASE_OK) {
        job->have_join_request = true;
    }
    return status;
}

/* --- finish: the same board, still there, still holding what was confirmed --- */

static bool due_finish(const struct lpa_job *job)
{
    bool provisioned = job->confirmed && !job->work_open;
    return job->admitted && job->exam.image_equal && job->have_hello &&
           (provisioned || job->registered);
}

static enum base_status do_finish(struct lpa_job *job, struct base_err *err)
{
    (void)job;
    (void)err;
    return BASE_OK;
}

/* A locked board says nothing more: what was to be seen of it was seen from outside. */
static enum base_status check_vault(struct lpa_job *job, struct base_err *err)
{
    bool zeroised = job->unit.state == LPA_STATE_ZEROISED;
    enum proto_vault_state wanted = zeroised ? PROTO_VAULT_ZEROISED : PROTO_VAULT_COMMITTED;
    if (job->lock_reported) {
        return BASE_OK;
    }
    enum base_status status = lpa_job_same_chip(job, err);
    if (status != BASE_OK || job->opts.stage != LPA_STAGE_PROVISION ||
        job->hello.vault_state == wanted) {
        return status;
    }
    return lpa_job_refuse(err, BASE_E_VERIFY, "vault_lost",
        zeroised
            ? "the KMS has confirmed that this unit holds no keys, but its vault is in state %u"
            : "the KMS has confirmed this unit, but its vault holds no root keys (state %u)",
        job->hello.vault_state);
}

static enum base_status check_finish(struct lpa_job *job, struct base_err *err)
{
    bool provision = job->opts.stage == LPA_STAGE_PROVISION;
    enum base_status status = check_vault(job, err);
    if (status != BASE_OK) {
        return status;
    }
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_UNIT_RESULT);
    event.result = "ok";
    event.application_sha256 = job->lot.has_application ? job->lot.application_sha256 : NULL;
    event.text = lpa_application_proof_text(lpa_job_application(&job->lot, &job->exam));
    if (provision) {
        event.dev_eui = job->unit.dev_eui;
        event.grant_id = job->unit.grant_id;
        event.key_version = job->unit.key_version;
    }
    status = lpa_job_log(job, &event, err);
    if (status == BASE_OK) {
        job->unit.result = LPA_RESULT_PASS;
        job->finished = true;
    }
    return status;
}

const struct lpa_step lpa_job_steps[] = {
    { LPA_STEP_EXAMINE, due_examine, NULL, do_examine, check_examine },
    { LPA_STEP_BOOT, due_boot, NULL, do_boot, check_boot },
    { LPA_STEP_RECEIPT, lpa_due_receipt, NULL, lpa_do_receipt, lpa_check_receipt },
    { LPA_STEP_CONFIRM, lpa_due_confirm, NULL, lpa_do_confirm, lpa_check_confirm },
    { LPA_STEP_ADMIT, due_admit, NULL, do_admit, check_admit },
    { LPA_STEP_PROGRAM, due_program, NULL, do_program, check_program },
    { LPA_STEP_APPLICATION, lpa_due_application, NULL, lpa_do_application, lpa_check_application },
    { LPA_STEP_REHEARSE, lpa_due_rehearse, NULL, lpa_do_rehearse, lpa_check_rehearse },
    { LPA_STEP_RESTRICT, lpa_due_restrict, NULL, lpa_do_restrict, lpa_check_restrict },
    { LPA_STEP_SEAL, lpa_due_seal, NULL, lpa_do_seal, lpa_check_seal },
    { LPA_STEP_IDENTIFY, due_identify, NULL, do_identify, check_identify },
    { LPA_STEP_REGISTER, lpa_due_register, NULL, lpa_do_register, lpa_check_register },
    { LPA_STEP_GRANT, lpa_due_grant, NULL, lpa_do_grant, lpa_check_grant },
    { LPA_STEP_INSTALL, lpa_due_install, NULL, lpa_do_install, lpa_check_install },
    { LPA_STEP_SELF_TEST, due_self_test, NULL, do_self_test, check_self_test },
    { LPA_STEP_LOCK, lpa_due_lock, lpa_announce_lock, lpa_do_lock, lpa_check_lock },
    { LPA_STEP_PROVE, lpa_due_prove, NULL, lpa_do_prove, lpa_check_prove },
    { LPA_STEP_REPORT, lpa_due_report, NULL, lpa_do_report, lpa_check_report },
    { LPA_STEP_FINISH, due_finish, NULL, do_finish, check_finish },
};

const size_t lpa_job_step_count = COUNT(lpa_job_steps);
