/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the step table that concern keys: receipt, confirm, register, grant, install. */
#include "base/hash.h"
#include "base/hex.h"
#include "base/secret.h"
#include "lpa/job_table.h"

#include <string.h>

static bool outcome_open(const struct base_err *err)
{
    return err->status == BASE_E_REMOTE && strcmp(err->code, "unknown") == 0;
}

static enum base_status pass_on(struct base_err *err, const struct base_err *cause)
{
    if (err != NULL && err->status == BASE_OK) {
        *err = *cause;
    }
    return cause->status;
}

/* --- receipt: what the chip holds already comes first --- */

bool lpa_due_receipt(const struct lpa_job *job)
{
    /* A wiped board's receipt was handed in as such. */
    return job->opts.stage == LPA_STAGE_PROVISION && job->have_hello && !job->known.wiped &&
           job->hello.vault_state >= PROTO_VAULT_COMMITTED && !job->have_receipt && !job->confirmed;
}

enum base_status lpa_do_receipt(struct lpa_job *job, struct base_err *err)
{
    uint32_t answer = 0;
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    enum base_status status = job->io->device->receipt(job->io->device_user, &answer, receipt, err);
    if (status != BASE_OK) {
        return status;
    }
    if (answer != PROTO_OK && !job->exam.image_equal) {
        /* Another bootloader that will not say: the lot's own is programmed and asked. */
        job->have_hello = false;
        return BASE_OK;
    }
    if (answer != PROTO_OK) {
        return base_err_set(err, BASE_E_TARGET, "device", answer,
            "the chip holds a record but gives no receipt: %s", proto_status_text(answer));
    }
    memcpy(job->unit.receipt, receipt, sizeof(receipt));
    job->unit.receipt_length = PROTO_RECEIPT_SIZE;
    return BASE_OK;
}

static enum base_status decode_receipt(
    struct lpa_job *job, struct proto_receipt *receipt, struct base_err *err)
{
    enum proto_status decoded =
        proto_receipt_decode(job->unit.receipt, job->unit.receipt_length, receipt);
    if (decoded != PROTO_OK) {
        return lpa_job_refuse(err, BASE_E_PROTO, "receipt_bad",
            "the device's receipt is malformed: %s", proto_status_text(decoded));
    }
    if (memcmp(receipt->chip_id, job->unit.chip_id, sizeof(receipt->chip_id)) != 0) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "board_changed",
            "the receipt names another chip than the one examined");
    }
    return BASE_OK;
}

/* From here on the receipt is owed: it is in the journal even if the board never comes back. */
static void owe(struct lpa_job *job, const struct proto_receipt *receipt)
{
    base_hex_encode(receipt->envelope_id, sizeof(receipt->envelope_id), job->unit.grant_id);
    job->unit.key_version = receipt->key_version;
    job->unit.state = LPA_STATE_INSTALLED;
    job->have_receipt = true;
}

enum base_status lpa_check_receipt(struct lpa_job *job, struct base_err *err)
{
    struct proto_receipt receipt;
    if (!job->have_hello) {
        return BASE_OK;
    }
    enum base_status status = decode_receipt(job, &receipt, err);
    if (status == BASE_OK) {
        owe(job, &receipt);
    }
    return status;
}

/* --- confirm --- */

bool lpa_due_confirm(const struct lpa_job *job)
{
    return job->have_receipt && !job->confirmed;
}

static enum base_status ask_confirm(struct lpa_job *job, struct base_err *ret_cause)
{
    unsigned tries = 0;
    do {
        base_err_clear(ret_cause);
        (void)job->io->kms->confirm(job->io->kms_user, job->unit.grant_id, job->unit.receipt,
            job->unit.receipt_length, &job->confirmation, ret_cause);
    } while (lpa_job_again(job, ret_cause, &tries));
    return ret_cause->status;
}

enum base_status lpa_do_confirm(struct lpa_job *job, struct base_err *err)
{
    struct base_err cause = { 0 };
    uint8_t hash[BASE_SHA256_BYTES];
    base_sha256(job->unit.receipt, job->unit.receipt_length, hash);
    enum base_status status = ask_confirm(job, &cause);
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_INSTALL_CONFIRM);
    event.grant_id = job->unit.grant_id;
    event.key_version = job->unit.key_version;
    event.receipt_sha256 = hash;
    event.lot = job->known.state == AUTH_UNIT_ELSEWHERE ? job->known.lot : event.lot;
    event.result = status == BASE_OK ? "ok" : outcome_open(&cause) ? "unknown" : "fail";
    event.code = status == BASE_OK ? NULL : cause.code;
    event.dev_eui = status == BASE_OK ? job->confirmation.dev_eui : NULL;
    if (strcmp(cause.code, "grant_scrapped") == 0) {
        job->unit.state = LPA_STATE_SCRAPPED;
    }
    enum base_status logged = lpa_job_log(job, &event, status == BASE_OK ? err : NULL);
    return status == BASE_OK ? logged : pass_on(err, &cause);
}

static bool receipt_of_zeroise(const struct lpa_job *job)
{
    struct proto_receipt receipt;
    return proto_receipt_decode(job->unit.receipt, job->unit.receipt_length, &receipt) ==
               PROTO_OK &&
           receipt.purpose == PROTO_PURPOSE_ZEROISE;
}

/* Known since the examination, and not carried out by this job. */
static bool order_waits(const struct lpa_job *job)
{
    bool settled =
        job->known.state == AUTH_UNIT_CONFIRMED || job->known.state == AUTH_UNIT_ZEROISED;
    return settled && job->known.work != AUTH_WORK_NONE && !job->order_done;
}

enum base_status lpa_check_confirm(struct lpa_job *job, struct base_err *err)
{
    const struct auth_confirmation *confirmation = &job->confirmation;
    bool other = memcmp(confirmation->dev_eui, job->grant.dev_eui, PROTO_EUI_SIZE) != 0;
    if (job->have_grant && other) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "kms_inconsistent",
            "the KMS confirmed another DevEUI than it granted to this chip");
    }
    memcpy(job->unit.dev_eui, confirmation->dev_eui, sizeof(job->unit.dev_eui));
    job->unit.state = receipt_of_zeroise(job) ? LPA_STATE_ZEROISED : LPA_STATE_CONFIRMED;
    job->confirmed = true;
    /* An order (rework, zeroise), begun or not: the same steps again, with a fresh statement (rule
     * 4, last sentence). */
    job->work_open = confirmation->open_work.state == AUTH_UNIT_OPEN || order_waits(job);
    if (job->work_open) {
        job->have_statement = false;
        job->have_grant = false;
        job->have_receipt = false;
    }
    return BASE_OK;
}

/* --- register (personalisation) --- */

bool lpa_due_register(const struct lpa_job *job)
{
    return job->opts.stage == LPA_STAGE_PERSONALISE && job->have_statement && !job->registered;
}

enum base_status lpa_do_register(struct lpa_job *job, struct base_err *err)
{
    uint8_t hash[BASE_SHA256_BYTES];
    base_sha256(job->unit.statement, job->unit.statement_length, hash);
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_DEVICE_REGISTER);
    event.statement_sha256 = hash;
    const char *record = job->unit.record_length != 0 ? job->unit.record : NULL;
    uint8_t record_hash[BASE_SHA256_BYTES];
    if (record != NULL) {
        base_sha256(record, job->unit.record_length, record_hash);
        event.record_sha256 = record_hash;
    }
    enum base_status status = lpa_job_log(job, &event, err);
    if (status != BASE_OK) {
        return status;
    }
    struct base_err cause = { 0 };
    unsigned tries = 0;
    do {
        base_err_clear(&cause);
        status = job->io->kms->register_unit(
            job->io->kms_user, job->unit.statement, job->unit.statement_length, record, &cause);
    } while (lpa_job_again(job, &cause, &tries));
    return status == BASE_OK ? BASE_OK : pass_on(err, &cause);
}

enum base_status lpa_check_register(struct lpa_job *job, struct base_err *err)
{
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_DEVICE_REGISTER);
    event.result = "ok";
    enum base_status status = lpa_job_log(job, &event, err);
    if (status == BASE_OK) {
        job->registered = true;
        job->unit.state = LPA_STATE_PERSONALISED;
    }
    return status;
}

/* --- grant --- */

bool lpa_due_grant(const struct lpa_job *job)
{
    return job->opts.stage == LPA_STAGE_PROVISION && job->have_statement && !job->have_grant;
}

static const char *trust_name(enum auth_trust trust)
{
    switch (trust) {
    case AUTH_TRUST_TOFU:
        return "tofu";
    case AUTH_TRUST_MANIFEST:
        return "manifest";
    case AUTH_TRUST_ATTESTED:
        return "attested";
    default:
        return NULL;
    }
}

static enum base_status write_intent(
    struct lpa_job *job, struct lpa_intent *ret_intent, struct base_err *err)
{
    uint8_t hash[BASE_SHA256_BYTES];
    uint8_t key_hash[BASE_SHA256_BYTES];
    base_sha256(job->unit.statement, job->unit.statement_length, hash);
    base_sha256(job->statement.public_key, sizeof(job->statement.public_key), key_hash);
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_KEY_REQUEST);
    event.statement_sha256 = hash;
    event.public_key_sha256 = key_hash;
    event.join_eui = job->lot.join_eui;
    event.trust = trust_name(job->lot.trust);
    return job->io->log->intent(job->io->log_user, &event, ret_intent, err);
}

/* Returns the last cause; *ret_was_open when an earlier try may have been carried out. */
static enum base_status ask_grant(struct lpa_job *job, const struct lpa_intent *intent,
    bool *ret_was_open, struct base_err *ret_cause)
{
    unsigned tries = 0;
    *ret_was_open = false;
    do {
        base_err_clear(ret_cause);
        (void)job->io->kms->grant(job->io->kms_user, job->unit.statement,
            job->unit.statement_length, &intent->view, &job->grant, ret_cause);
        *ret_was_open = *ret_was_open || outcome_open(ret_cause);
    } while (lpa_job_again(job, ret_cause, &tries));
    return ret_cause->status;
}

static enum base_status log_grant(
    struct lpa_job *job, bool was_open, const struct base_err *cause, struct base_err *err)
{
    enum lpa_event_id id = LPA_EVENT_KEY_ISSUED;
    if (cause->status != BASE_OK) {
        id = outcome_open(cause) ? LPA_EVENT_KEY_UNKNOWN : LPA_EVENT_KEY_REFUSED;
    } else if (was_open || job->grant.repeated) {
        id = LPA_EVENT_KEY_RECONCILED;
    }
    uint8_t hash[BASE_SHA256_BYTES];
    struct lpa_event event = lpa_job_event(job, id);
    event.result = cause->status == BASE_OK ? "ok" : outcome_open(cause) ? "unknown" : "fail";
    event.code = cause->code;
    if (cause->status == BASE_OK) {
        base_sha256(job->grant.envelope, job->grant.envelope_length, hash);
        event.envelope_sha256 = hash;
        event.grant_id = job->grant.grant_id;
        event.dev_eui = job->grant.dev_eui;
        event.join_eui = job->lot.join_eui;
        event.key_version = job->grant.key_version;
        event.trust = trust_name(job->grant.device_trust);
    }
    return lpa_job_log(job, &event, err);
}

/* The KMS knows an open grant for this key under another nonce, so the chip must hold a receipt. */
static enum base_status receipt_first(struct lpa_job *job, struct base_err *err)
{
    enum base_status status = lpa_job_same_chip(job, err);
    if (status != BASE_OK) {
        return status;
    }
    if (job->hello.vault_state < PROTO_VAULT_COMMITTED || job->confirmed) {
        return lpa_job_refuse(err, BASE_E_DENIED, "receipt_first",
            "the KMS has an open grant for this chip under another nonce, but the chip holds no "
            "receipt for it");
    }
    return BASE_OK;
}

enum base_status lpa_job_request_grant(struct lpa_job *job, struct base_err *ret_cause)
{
    struct lpa_intent intent = { 0 };
    bool was_open = false;
    struct base_err failed = { 0 };
    enum base_status status = write_intent(job, &intent, ret_cause);
    if (status == BASE_OK) {
        base_wipe(&job->grant, sizeof(job->grant));
        status = ask_grant(job, &intent, &was_open, ret_cause);
        enum base_status logged = log_grant(job, was_open, ret_cause, &failed);
        if (status == BASE_OK && logged != BASE_OK) {
            *ret_cause = failed;
            status = logged;
        }
    }
    lpa_intent_done(&intent);
    return status;
}

enum base_status lpa_do_grant(struct lpa_job *job, struct base_err *err)
{
    struct base_err cause = { 0 };
    enum base_status status = lpa_job_same_chip(job, err);
    if (status != BASE_OK) {
        return status;
    }
    status = lpa_job_request_grant(job, &cause);
    if (status == BASE_OK) {
        return BASE_OK;
    }
    return strcmp(cause.code, "receipt_first") == 0 ? receipt_first(job, err)
                                                    : pass_on(err, &cause);
}

/* What the envelope may be for: what the KMS says that it granted. */
static enum proto_purpose wanted_purpose(const struct auth_grant *grant)
{
    switch (grant->work) {
    case AUTH_WORK_REWORK:
        return PROTO_PURPOSE_REWORK;
    case AUTH_WORK_ZEROISE:
        return PROTO_PURPOSE_ZEROISE;
    case AUTH_WORK_NONE:
    default:
        return PROTO_PURPOSE_INSTALL;
    }
}

static const char *envelope_fault(
    const struct lpa_job *job, const struct proto_envelope_header *header)
{
    char id[AUTH_GRANT_ID_SIZE];
    base_hex_encode(header->envelope_id, sizeof(header->envelope_id), id);
    if (memcmp(header->chip_id, job->unit.chip_id, sizeof(header->chip_id)) != 0) {
        return "another chip";
    }
    if (memcmp(header->nonce, job->statement.nonce, sizeof(header->nonce)) != 0) {
        return "another nonce";
    }
    if (memcmp(header->dev_eui, job->grant.dev_eui, sizeof(header->dev_eui)) != 0) {
        return "another DevEUI";
    }
    if (memcmp(header->join_eui, job->lot.join_eui, sizeof(header->join_eui)) != 0) {
        return "another JoinEUI";
    }
    if (memcmp(header->authority_key_id, job->lot.authority_key_id,
            sizeof(header->authority_key_id)) != 0) {
        return "another authority";
    }
    if (strcmp(id, job->grant.grant_id) != 0) {
        return "another grant";
    }
    if (header->key_version != job->grant.key_version ||
        header->lorawan_version != job->lot.lorawan_version ||
        header->purpose != (uint8_t)wanted_purpose(&job->grant)) {
        return "another purpose, LoRaWAN version or key version";
    }
    return NULL;
}

enum base_status lpa_check_grant(struct lpa_job *job, struct base_err *err)
{
    if (job->grant.grant_id[0] == '\0') {
        /* receipt_first: the receipt row is due now, and the statement is asked for again. */
        job->have_statement = false;
        return BASE_OK;
    }
    struct proto_envelope envelope;
    enum proto_status decoded =
        proto_envelope_decode(job->grant.envelope, job->grant.envelope_length, &envelope);
    const char *fault =
        decoded == PROTO_OK ? envelope_fault(job, &envelope.header) : proto_status_text(decoded);
    if (fault != NULL) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "envelope_wrong",
            "the KMS answered with an envelope that does not fit this unit: %s", fault);
    }
    memcpy(job->unit.grant_id, job->grant.grant_id, sizeof(job->unit.grant_id));
    memcpy(job->unit.dev_eui, job->grant.dev_eui, sizeof(job->unit.dev_eui));
    job->unit.key_version = job->grant.key_version;
    job->unit.receipt_length = 0;
    job->unit.state = LPA_STATE_GRANTED;
    job->have_grant = true;
    return BASE_OK;
}

/* --- install --- */

bool lpa_due_install(const struct lpa_job *job)
{
    return job->have_grant && !job->have_receipt;
}

static enum base_status log_install_fail(
    struct lpa_job *job, const struct base_err *cause, bool open)
{
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_INSTALL_FAIL);
    event.result = open ? "unknown" : "fail";
    event.code = cause->code[0] == '\0' ? base_status_name(cause->status) : cause->code;
    event.grant_id = job->unit.grant_id;
    event.dev_eui = job->unit.dev_eui;
    event.text = cause->message;
    return lpa_job_log(job, &event, NULL);
}

enum base_status lpa_do_install(struct lpa_job *job, struct base_err *err)
{
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_INSTALL_BEGIN);
    event.grant_id = job->unit.grant_id;
    event.dev_eui = job->unit.dev_eui;
    event.key_version = job->unit.key_version;
    enum base_status status = lpa_job_log(job, &event, err);
    if (status != BASE_OK) {
        return status;
    }
    struct base_err cause = { 0 };
    uint32_t answer = 0;
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    bool zeroise = job->grant.work == AUTH_WORK_ZEROISE;
    const struct lpa_device_ops *device = job->io->device;
    status = (zeroise ? device->zeroise : device->install)(job->io->device_user,
        job->grant.envelope, job->grant.envelope_length, &answer, receipt, &cause);
    if (status != BASE_OK) {
        (void)!log_install_fail(job, &cause, true);
        return pass_on(err, &cause);
    }
    if (answer != PROTO_OK && answer != PROTO_ALREADY) {
        (void)base_err_set(&cause, BASE_E_TARGET, "device", answer,
            "the device refused the envelope: %s", proto_status_text(answer));
        (void)!log_install_fail(job, &cause, false);
        return pass_on(err, &cause);
    }
    memcpy(job->unit.receipt, receipt, sizeof(receipt));
    job->unit.receipt_length = PROTO_RECEIPT_SIZE;
    return BASE_OK;
}

enum base_status lpa_check_install(struct lpa_job *job, struct base_err *err)
{
    struct proto_receipt receipt;
    uint8_t hash[BASE_SHA256_BYTES];
    enum base_status status = decode_receipt(job, &receipt, err);
    if (status != BASE_OK) {
        return status;
    }
    char id[AUTH_GRANT_ID_SIZE];
    base_hex_encode(receipt.envelope_id, sizeof(receipt.envelope_id), id);
    base_sha256(job->grant.envelope, job->grant.envelope_length, hash);
    if (strcmp(id, job->grant.grant_id) != 0 ||
        memcmp(hash, receipt.envelope_hash, sizeof(hash)) != 0) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "receipt_foreign",
            "the device's receipt is for another envelope than the one written");
    }
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_INSTALL_COMMIT);
    event.result = "ok";
    event.grant_id = job->unit.grant_id;
    event.dev_eui = job->unit.dev_eui;
    event.key_version = receipt.key_version;
    event.envelope_sha256 = hash;
    status = lpa_job_log(job, &event, err);
    if (status == BASE_OK && job->grant.work != AUTH_WORK_NONE) {
        event.id = job->grant.work == AUTH_WORK_ZEROISE ? LPA_EVENT_ZEROISE : LPA_EVENT_REWORK;
        status = lpa_job_log(job, &event, err);
        job->order_done = status == BASE_OK;
    }
    if (status == BASE_OK) {
        base_wipe(job->grant.envelope, sizeof(job->grant.envelope));
        job->confirmed = false;
        job->work_open = false;
        owe(job, &receipt);
    }
    return status;
}
