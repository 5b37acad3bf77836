/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: signed by the station, cosigned by the KMS (C2SP tlog-witness). */
#include "base/file.h"
#include "lpa/audit_files.h"
#include "lpa/audit_private.h"
#include "lpa/audit_record.h"

#include <inttypes.h>
#include <string.h>

/* One line of the history every so many records: enough to narrow down where a fork began, few
 * enough that checking all of their signatures stays cheap. */
#define HISTORY_EVERY 256U
/* Own view of the witness's size, its correction, and one more after a restart of the KMS. */
#define TRIES_MAX   4
#define BACK_OFF_US INT64_C(400000)

static enum base_status store(
    struct lpa_audit *audit, const char *name, const struct base_buf *note, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_err cause = { 0 };
    enum base_status status = base_file_join(audit->folder, name, sizeof(path), path, &cause);
    if (status == BASE_OK) {
        status = base_file_replace(path, note->data, note->length, 0600, &cause);
    }
    return status == BASE_OK
               ? BASE_OK
               : lpa_audit_refuse(err, "log_write",
                     "%s, so nothing is issued; free some space and run again", cause.message);
}

enum base_status lpa_audit_sign_head(
    struct lpa_audit *audit, struct base_buf *note, struct base_err *err)
{
    struct base_checkpoint checkpoint = { .head.size = audit->tree.size };
    memcpy(checkpoint.origin, audit->verifiers[0].name, sizeof(checkpoint.origin));
    struct base_buf body;
    base_buf_init(&body, AUTH_NOTE_MAX);
    enum base_status status =
        base_merkle_tree_root(&audit->tree, audit->tree.size, checkpoint.head.root, err);
    if (status == BASE_OK) {
        status = base_checkpoint_format(&checkpoint, &body, err);
    }
    if (status == BASE_OK) {
        status = base_note_sign(audit->signer, (const char *)body.data, body.length, 0, note, err);
    }
    base_buf_done(&body);
    if (status == BASE_OK) {
        status = store(audit, "signed", note, err);
    }
    if (status == BASE_OK) {
        audit->signed_size = audit->tree.size;
    }
    return status;
}

/* The history is a help for auditors; a full disk is noticed at the next record anyway. It is
 * replaced as a whole: half a note at its end, after a power cut, would make the log unreadable. */
static void remember(struct lpa_audit *audit, const struct base_buf *note)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_buf text;
    if (audit->witness_size < audit->history_size + HISTORY_EVERY ||
        base_file_join(audit->folder, "history", sizeof(path), path, NULL) != BASE_OK) {
        return;
    }
    base_buf_init(&text, LPA_AUDIT_NOTES_MAX);
    enum base_status status = base_file_read(path, &text, NULL);
    if (status == BASE_E_NOTFOUND) {
        status = BASE_OK;
    }
    if (status == BASE_OK && text.length > 0) {
        status = base_buf_append(&text, "\n", 1, NULL);
    }
    if (status == BASE_OK) {
        status = base_buf_append(&text, note->data, note->length, NULL);
    }
    if (status == BASE_OK &&
        base_file_replace(path, text.data, text.length, 0600, NULL) == BASE_OK) {
        audit->history_size = audit->witness_size;
    }
    base_buf_done(&text);
}

/* What the KMS answered becomes part of the log only after its signature was checked. Our own was
 * made a moment ago and is not checked again. */
static enum base_status check_cosignature(
    const struct lpa_audit *audit, const struct base_buf *note, struct base_err *err)
{
    struct base_note_opened opened;
    struct base_err cause = { 0 };
    if (audit->verifier_count < 2 || base_note_open(note->data, note->length, &audit->verifiers[1],
                                         1, &opened, &cause) == BASE_OK) {
        return BASE_OK;
    }
    return lpa_audit_refuse(err, "cosignature_bad",
        "the KMS's cosignature of the log does not fit its key: %s; check that the station talks "
        "to its own KMS",
        cause.message);
}

static enum base_status take_cosignature(struct lpa_audit *audit, uint64_t size,
    struct base_buf *note, const char *line, struct base_err *err)
{
    enum base_status status = base_buf_append(note, line, strlen(line), err);
    if (status == BASE_OK) {
        status = check_cosignature(audit, note, err);
    }
    if (status == BASE_OK && note->length >= sizeof(audit->cosigned)) {
        status = lpa_audit_refuse(
            err, "cosignature_bad", "the KMS's cosignature is longer than a note may be");
    }
    if (status == BASE_OK) {
        status = store(audit, "checkpoint", note, err);
    }
    if (status == BASE_OK) {
        memcpy(audit->cosigned, note->data, note->length);
        audit->cosigned[note->length] = '\0';
        audit->witness_size = size;
        remember(audit, note);
    }
    return status;
}

static enum base_status sort_refusal(const struct base_err *cause, struct base_err *err)
{
    if (strcmp(cause->code, "inconsistent") == 0) {
        return lpa_audit_refuse(err, "inconsistent",
            "the KMS has cosigned another log of this station than the one on this disk (%s); "
            "nothing is issued until an auditor has seen it",
            cause->message);
    }
    if (err != NULL && err->status == BASE_OK) {
        *err = *cause;
    }
    return cause->status;
}

struct request {
    uint64_t old_size;
    uint64_t size;
    struct base_merkle_proof proof;
    struct base_buf note;
    char cosignature[AUTH_NOTE_MAX];
    enum auth_witness answer;
    uint64_t witness_size;
};

static enum base_status note_gap(
    struct lpa_audit *audit, const struct request *request, struct base_err *err)
{
    struct lpa_event event = { .id = LPA_EVENT_LOG_GAP, .result = "fail" };
    struct base_buf line;
    base_buf_init(&line, LPA_AUDIT_RECORD_MAX + 16);
    /* For the auditor; whether it can be written changes nothing. */
    (void)!lpa_audit_append_locked(audit, &event, &line, NULL);
    base_buf_done(&line);
    audit->gap = true;
    return lpa_audit_refuse(err, "log_gap",
        "the KMS has seen %" PRIu64 " records of this log, but it holds %" PRIu64
        ": it was rolled back or cut; nothing is issued until an auditor has seen it",
        request->witness_size, request->size);
}

/* One exchange; called and left with the lock held, which is free while the KMS is asked. */
static enum base_status exchange(struct lpa_audit *audit, lpa_witness_fn *witness, void *user,
    struct request *request, struct base_err *err)
{
    struct base_err cause = { 0 };
    enum base_status status = base_merkle_tree_consistency(
        &audit->tree, request->old_size, request->size, &request->proof, err);
    const char *note = status == BASE_OK ? base_buf_text(&request->note) : NULL;
    if (note == NULL) {
        return status == BASE_OK ? base_err_set(err, BASE_E_NOMEM, "log", 0, "no memory") : status;
    }
    (void)pthread_mutex_unlock(&audit->lock);
    status = witness(user, request->old_size, (const uint8_t(*)[32])request->proof.hashes,
        request->proof.count, note, &request->answer, &request->witness_size, request->cosignature,
        &cause);
    (void)pthread_mutex_lock(&audit->lock);
    return status == BASE_OK ? BASE_OK : sort_refusal(&cause, err);
}

static void wait_unlocked(struct lpa_audit *audit)
{
    (void)pthread_mutex_unlock(&audit->lock);
    base_clock_sleep_us(audit->clock, BACK_OFF_US);
    (void)pthread_mutex_lock(&audit->lock);
}

/* The witness knows another size than we thought: go on from there, unless it knows more than we
 * hold. */
static enum base_status follow_witness(
    struct lpa_audit *audit, struct request *request, int try, struct base_err *err)
{
    if (request->witness_size > request->size) {
        return note_gap(audit, request, err);
    }
    request->old_size = request->witness_size;
    return try < TRIES_MAX
               ? BASE_OK
               : base_err_set(err, BASE_E_REMOTE, "log", 0,
                     "the KMS and the log do not agree on the log's size after %d tries", try);
}

static enum base_status cosign_head(
    struct lpa_audit *audit, lpa_witness_fn *witness, void *user, struct base_err *err)
{
    struct request request = { .old_size = audit->witness_size, .size = audit->tree.size };
    base_buf_init(&request.note, AUTH_NOTE_MAX);
    enum base_status status = lpa_audit_sign_head(audit, &request.note, err);
    for (int try = 1; status == BASE_OK; try++) {
        struct base_err cause = { 0 };
        status = exchange(audit, witness, user, &request, &cause);
        if (status == BASE_E_REMOTE && strcmp(cause.code, "unknown") == 0 && try < TRIES_MAX) {
            /* It may have been cosigned: the next answer tells. */
            wait_unlocked(audit);
            status = BASE_OK;
            continue;
        }
        if (status != BASE_OK) {
            if (err != NULL && err->status == BASE_OK) {
                *err = cause;
            }
            break;
        }
        if (request.answer == AUTH_WITNESS_COSIGNED) {
            status = take_cosignature(audit, request.size, &request.note, request.cosignature, err);
            break;
        }
        status = follow_witness(audit, &request, try, err);
    }
    base_buf_done(&request.note);
    return status;
}

enum base_status lpa_audit_cosign(
    struct lpa_audit *audit, lpa_witness_fn *witness, void *user, struct base_err *err)
{
    enum base_status status = BASE_OK;
    (void)pthread_mutex_lock(&audit->lock);
    uint64_t wanted = audit->tree.size;
    while (status == BASE_OK && audit->witness_size < wanted) {
        if (audit->gap || audit->dead) {
            status = lpa_audit_refuse(err, audit->gap ? "log_gap" : "log_write",
                "the audit log failed before; nothing is issued");
        } else if (audit->cosigning) {
            (void)pthread_cond_wait(&audit->changed, &audit->lock);
        } else {
            audit->cosigning = true;
            status = cosign_head(audit, witness, user, err);
            audit->cosigning = false;
            (void)pthread_cond_broadcast(&audit->changed);
        }
    }
    (void)pthread_mutex_unlock(&audit->lock);
    return status;
}
