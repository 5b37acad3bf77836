/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the log, and appending to it. */
#include "lpa/audit.h"

#include "base/file.h"
#include "base/hash.h"
#include "lpa/audit_files.h"
#include "lpa/audit_private.h"
#include "lpa/audit_record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_RECORDS 65536U

enum base_status lpa_audit_refuse(struct base_err *err, const char *code, const char *format, ...)
{
    char text[BASE_ERR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (err != NULL && err->status == BASE_OK) {
        (void)base_err_set(err, BASE_E_AUDIT, "log", 0, "%s", text);
        base_err_set_code(err, code);
    }
    return BASE_E_AUDIT;
}

void lpa_audit_tester_id(const char *station, const char *tester, uint8_t ret_id[32])
{
    static const char label[] = "lpa tester v1";
    struct base_sha256 hash;
    base_sha256_init(&hash);
    base_sha256_update(&hash, label, sizeof(label));
    base_sha256_update(&hash, station, strlen(station) + 1);
    base_sha256_update(&hash, tester, strlen(tester));
    base_sha256_final(&hash, ret_id);
}

/* --- open --- */

/* A record under a signed checkpoint: its hash is enough, because the checkpoint's root, which
 * check_notes() compares under its signature, says more than the chain of records does. */
static enum base_status take_covered(
    struct lpa_audit *audit, const char *line, size_t length, struct base_err *err)
{
    uint8_t leaf[32];
    if (audit->tree.size + 1 == audit->signed_size) {
        base_sha256(line, length, audit->prev); /* the first one not covered names it */
    }
    base_merkle_leaf(line, length, leaf);
    return base_merkle_tree_append(&audit->tree, leaf, err);
}

static enum base_status take_record(
    void *user, const char *line, size_t length, struct base_err *err)
{
    struct lpa_audit *audit = user;
    if (audit->tree.size < audit->signed_size) {
        return take_covered(audit, line, length, err);
    }
    struct lpa_audit_fields fields;
    struct base_err cause = { 0 };
    uint64_t seq = 0;
    uint8_t prev[32];
    uint8_t leaf[32];
    if (lpa_audit_record_scan(line, length, &fields, &cause) != BASE_OK) {
        return lpa_audit_refuse(
            err, "log_damaged", "record %" PRIu64 ": %s", audit->tree.size, cause.message);
    }
    if (!lpa_span_number(fields.seq, &seq) || seq != audit->tree.size ||
        !lpa_span_hash(fields.prev, prev) || memcmp(prev, audit->prev, sizeof(prev)) != 0 ||
        !lpa_span_is(fields.log, audit->verifiers[0].name)) {
        return lpa_audit_refuse(err, "log_damaged",
            "record %" PRIu64 " does not follow the record before it", audit->tree.size);
    }
    base_sha256(line, length, audit->prev);
    base_merkle_leaf(line, length, leaf);
    return base_merkle_tree_append(&audit->tree, leaf, err);
}

struct note_check {
    struct lpa_audit *audit;
    bool cosigned; /**< both keys must have signed */
    uint64_t *size;
};

static enum base_status take_note(void *user, const char *note, size_t length, struct base_err *err)
{
    const struct note_check *check = user;
    struct lpa_audit *audit = check->audit;
    struct base_note_opened opened;
    struct base_checkpoint checkpoint;
    struct base_err cause = { 0 };
    uint8_t root[32];
    enum base_status status =
        base_note_open(note, length, audit->verifiers, audit->verifier_count, &opened, &cause);
    if (status == BASE_OK) {
        status = base_checkpoint_parse(note, opened.body_length, &checkpoint, &cause);
    }
    if (status != BASE_OK) {
        return lpa_audit_refuse(err, "log_damaged", "a stored checkpoint: %s", cause.message);
    }
    if (!opened.by[0].valid ||
        (check->cosigned && audit->verifier_count > 1 && !opened.by[1].valid)) {
        return lpa_audit_refuse(err, "log_damaged", "a stored checkpoint lacks a signature");
    }
    status = base_merkle_tree_root(&audit->tree, checkpoint.head.size, root, NULL);
    if (strcmp(checkpoint.origin, audit->verifiers[0].name) != 0 || status != BASE_OK ||
        memcmp(root, checkpoint.head.root, sizeof(root)) != 0) {
        return lpa_audit_refuse(err, "log_damaged",
            "the log holds %" PRIu64 " records, which are not what the checkpoint of %" PRIu64
            " records covers",
            audit->tree.size, checkpoint.head.size);
    }
    *check->size = checkpoint.head.size;
    if (check->cosigned && length < sizeof(audit->cosigned)) {
        memcpy(audit->cosigned, note, length);
        audit->cosigned[length] = '\0';
    }
    return BASE_OK;
}

/* How far the history goes. It is no input of the writer, so its signatures are left to those who
 * verify. */
static enum base_status take_history(
    void *user, const char *note, size_t length, struct base_err *err)
{
    struct lpa_audit *audit = user;
    struct base_checkpoint checkpoint;
    const char *end = memmem(note, length, "\n\n", 2);
    (void)err;
    if (end != NULL &&
        base_checkpoint_parse(note, (size_t)(end - note) + 1, &checkpoint, NULL) == BASE_OK) {
        audit->history_size = checkpoint.head.size;
    }
    return BASE_OK;
}

/* How far records are covered, by what the file says: check_notes() believes it only when the
 * signature and the root are right. */
static enum base_status take_size(void *user, const char *note, size_t length, struct base_err *err)
{
    uint64_t *size = user;
    struct base_checkpoint checkpoint;
    const char *end = memmem(note, length, "\n\n", 2);
    (void)err;
    if (end != NULL &&
        base_checkpoint_parse(note, (size_t)(end - note) + 1, &checkpoint, NULL) == BASE_OK) {
        *size = checkpoint.head.size;
    }
    return BASE_OK;
}

static enum base_status check_notes(struct lpa_audit *audit, struct base_err *err)
{
    struct note_check own = { audit, false, &audit->signed_size };
    struct note_check both = { audit, true, &audit->witness_size };
    enum base_status status = lpa_audit_read_notes(audit->folder, "signed", take_note, &own, err);
    if (status == BASE_OK) {
        status = lpa_audit_read_notes(audit->folder, "checkpoint", take_note, &both, err);
    }
    if (status == BASE_OK) {
        status = lpa_audit_read_notes(audit->folder, "history", take_history, audit, err);
    }
    return status;
}

static enum base_status open_segment(
    struct lpa_audit *audit, uint64_t first, int flags, struct base_err *err)
{
    char name[LPA_AUDIT_SEGMENT_NAME_SIZE];
    char path[BASE_FILE_PATH_SIZE];
    lpa_audit_segment_name(first, name);
    enum base_status status = base_file_join(audit->folder, name, sizeof(path), path, err);
    if (status != BASE_OK) {
        return status;
    }
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0600);
    if (fd < 0) {
        int cause = errno;
        return lpa_audit_refuse(err, cause == ENOSPC ? "disk_full" : "log_write",
            "the audit log cannot be written (%s: %s), so nothing is issued; free some space and "
            "run again",
            path, strerrordesc_np(cause));
    }
    if ((flags & O_CREAT) != 0) {
        status = base_file_sync_folder(path, err);
        if (status != BASE_OK) {
            (void)close(fd);
            return lpa_audit_refuse(err, "log_write", "the log folder cannot be made durable");
        }
    }
    if (audit->fd >= 0) {
        (void)close(audit->fd);
    }
    audit->fd = fd;
    audit->segment_first = first;
    return BASE_OK;
}

/* A line without its newline was never acknowledged to anyone: the append that wrote it did not
 * return. It may go unless a checkpoint says that there was a record in its place. */
static enum base_status repair(
    struct lpa_audit *audit, const struct lpa_audit_tail *tail, struct base_err *err)
{
    if (!tail->have_segment) {
        return BASE_OK;
    }
    enum base_status status = open_segment(audit, tail->last_first, 0, err);
    audit->segment_bytes = tail->last_bytes;
    if (status != BASE_OK || tail->torn_bytes == 0) {
        return status;
    }
    if (ftruncate(audit->fd, (off_t)tail->last_bytes) != 0 || fsync(audit->fd) != 0) {
        return lpa_audit_refuse(
            err, "log_write", "a torn last line cannot be taken out: %s", strerrordesc_np(errno));
    }
    audit->repaired = true;
    struct lpa_event event = { .id = LPA_EVENT_FAULT,
        .result = "ok",
        .code = "torn_tail",
        .text = "an incomplete last record was taken out after a crash" };
    return lpa_audit_append(audit, &event, err);
}

static enum base_status read_log(struct lpa_audit *audit, struct base_err *err)
{
    struct lpa_audit_tail tail = { 0 };
    struct base_err cause = { 0 };
    enum base_status status =
        lpa_audit_read_notes(audit->folder, "signed", take_size, &audit->signed_size, &cause);
    if (status == BASE_OK) {
        status = lpa_audit_read(audit->folder, take_record, audit, &tail, &cause);
    }
    if (status == BASE_OK) {
        status = check_notes(audit, &cause);
    }
    if (status == BASE_OK) {
        return repair(audit, &tail, err);
    }
    if (status != BASE_E_NOMEM) {
        status = BASE_E_AUDIT;
    }
    if (err != NULL && err->status == BASE_OK) {
        *err = cause;
        err->status = status;
        base_err_set_code(err, "log_damaged");
        (void)base_err_prefix(err, "the audit log %s: ", audit->folder);
    }
    return status;
}

static void read_boot_id(char *ret_text, size_t size)
{
    struct base_buf text;
    base_buf_init(&text, 64);
    (void)snprintf(ret_text, size, "unknown");
    if (base_file_read("/proc/sys/kernel/random/boot_id", &text, NULL) == BASE_OK &&
        text.length >= 36 && size > 36) {
        memcpy(ret_text, text.data, 36);
        ret_text[36] = '\0';
    }
    base_buf_done(&text);
}

static enum base_status fill(
    struct lpa_audit *audit, const struct lpa_audit_opts *opts, struct base_err *err)
{
    audit->folder = strdup(opts->folder);
    audit->station = strdup(opts->station);
    if (audit->folder == NULL || audit->station == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "log", 0, "no memory for the audit log");
    }
    audit->software = opts->software;
    audit->signer = opts->signer;
    audit->verifiers[0] = opts->signer->verifier;
    audit->verifier_count = 1;
    if (opts->witness != NULL) {
        audit->verifiers[audit->verifier_count++] = *opts->witness;
    }
    if (opts->certificate_sha256 != NULL) {
        memcpy(audit->certificate_sha256, opts->certificate_sha256, 32);
        audit->have_certificate = true;
    }
    audit->clock = opts->clock;
    audit->log = opts->log;
    audit->segment_records = opts->segment_records == 0 ? SEGMENT_RECORDS : opts->segment_records;
    read_boot_id(audit->boot, sizeof(audit->boot));
    if (base_file_make_folder(audit->folder, NULL) != BASE_OK) {
        return lpa_audit_refuse(
            err, "log_write", "the log folder %s cannot be made", audit->folder);
    }
    return BASE_OK;
}

enum base_status lpa_audit_open(
    const struct lpa_audit_opts *opts, struct lpa_audit **ret_audit, struct base_err *err)
{
    if (opts == NULL || opts->folder == NULL || opts->station == NULL || opts->signer == NULL ||
        opts->clock == NULL || opts->software == NULL) {
        return base_err_set(err, BASE_E_ARG, "log", 0,
            "an audit log needs folder, station, software, signer and clock");
    }
    struct lpa_audit *audit = calloc(1, sizeof(*audit));
    if (audit == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "log", 0, "no memory for the audit log");
    }
    audit->fd = -1;
    (void)pthread_mutex_init(&audit->lock, NULL);
    (void)pthread_cond_init(&audit->changed, NULL);
    enum base_status status = fill(audit, opts, err);
    if (status == BASE_OK) {
        status = read_log(audit, err);
    }
    if (status != BASE_OK) {
        lpa_audit_close(audit);
        return status;
    }
    *ret_audit = audit;
    return BASE_OK;
}

void lpa_audit_close(struct lpa_audit *audit)
{
    if (audit == NULL) {
        return;
    }
    if (audit->fd >= 0) {
        (void)close(audit->fd);
    }
    base_merkle_tree_done(&audit->tree);
    (void)pthread_mutex_destroy(&audit->lock);
    (void)pthread_cond_destroy(&audit->changed);
    free(audit->folder);
    free(audit->station);
    free(audit);
}

void lpa_audit_set_tester(struct lpa_audit *audit, const uint8_t id_hmac[32])
{
    (void)pthread_mutex_lock(&audit->lock);
    audit->have_tester = id_hmac != NULL;
    if (id_hmac != NULL) {
        memcpy(audit->tester, id_hmac, sizeof(audit->tester));
    }
    (void)pthread_mutex_unlock(&audit->lock);
}

void lpa_audit_set_offset(struct lpa_audit *audit, int64_t offset_us)
{
    (void)pthread_mutex_lock(&audit->lock);
    audit->have_offset = true;
    audit->offset_us = offset_us;
    (void)pthread_mutex_unlock(&audit->lock);
}

void lpa_audit_get_status(struct lpa_audit *audit, struct lpa_audit_status *ret_status)
{
    (void)pthread_mutex_lock(&audit->lock);
    ret_status->records = audit->tree.size;
    ret_status->cosigned = audit->witness_size;
    ret_status->repaired = audit->repaired;
    memset(ret_status->root, 0, sizeof(ret_status->root));
    (void)!base_merkle_tree_root(&audit->tree, audit->tree.size, ret_status->root, NULL);
    (void)pthread_mutex_unlock(&audit->lock);
}

/* --- append --- */

static enum base_status format(struct lpa_audit *audit, const struct lpa_event *event,
    struct base_buf *record, struct base_err *err)
{
    struct lpa_audit_frame frame = {
        .origin = audit->verifiers[0].name,
        .station = audit->station,
        .software = audit->software,
        .boot = audit->boot,
        .actor_kind = audit->have_tester ? "tester" : "station",
        .actor_id = audit->have_tester ? audit->tester : NULL,
        .certificate_sha256 = audit->have_certificate ? audit->certificate_sha256 : NULL,
        .prev = audit->prev,
        .seq = audit->tree.size,
        .wall_us = base_clock_wall_us(audit->clock),
        .mono_us = base_clock_mono_us(audit->clock),
        .have_offset = audit->have_offset,
        .offset_ms = audit->offset_us / 1000,
    };
    return lpa_audit_record_format(&frame, event, record, err);
}

/* What was written of a record that did not become durable is taken back, so that a full disk
 * leaves a whole log. A failed fsync is different: nobody knows what is on the disk now. */
static enum base_status write_line(
    struct lpa_audit *audit, const struct base_buf *line, struct base_err *err)
{
    struct base_err cause = { 0 };
    if (base_file_write_all(audit->fd, line->data, line->length, "the audit log", &cause) !=
        BASE_OK) {
        if (ftruncate(audit->fd, (off_t)audit->segment_bytes) != 0) {
            audit->dead = true;
        }
        return lpa_audit_refuse(err, cause.detail == ENOSPC ? "disk_full" : "log_write",
            "%s, so nothing is issued; free some space and run again", cause.message);
    }
    if (fdatasync(audit->fd) != 0) {
        audit->dead = true;
        return lpa_audit_refuse(err, "log_write",
            "the audit log cannot be made durable (%s), so nothing is issued; check the disk",
            strerrordesc_np(errno));
    }
    audit->segment_bytes += line->length;
    return BASE_OK;
}

enum base_status lpa_audit_append_locked(struct lpa_audit *audit, const struct lpa_event *event,
    struct base_buf *line, struct base_err *err)
{
    if (audit->dead || audit->gap) {
        return lpa_audit_refuse(err, audit->gap ? "log_gap" : "log_write",
            "the audit log takes no more records since it failed; nothing is issued");
    }
    enum base_status status = format(audit, event, line, err);
    uint64_t in_segment = audit->tree.size - audit->segment_first;
    if (status == BASE_OK && (audit->fd < 0 || in_segment >= audit->segment_records)) {
        status = open_segment(audit, audit->tree.size, O_CREAT | O_EXCL, err);
        audit->segment_bytes = status == BASE_OK ? 0 : audit->segment_bytes;
    }
    if (status != BASE_OK) {
        return status;
    }
    uint8_t hash[32];
    uint8_t leaf[32];
    size_t length = line->length;
    base_sha256(line->data, length, hash);
    base_merkle_leaf(line->data, length, leaf);
    status = base_buf_append(line, "\n", 1, err);
    if (status == BASE_OK) {
        status = write_line(audit, line, err);
    }
    line->length = length;
    if (status == BASE_OK) {
        status = base_merkle_tree_append(&audit->tree, leaf, err);
        if (status != BASE_OK) {
            audit->dead = true; /* the file is ahead of memory now */
        } else {
            memcpy(audit->prev, hash, sizeof(hash));
        }
    }
    return status;
}

enum base_status lpa_audit_append(
    struct lpa_audit *audit, const struct lpa_event *event, struct base_err *err)
{
    struct base_buf line;
    base_buf_init(&line, LPA_AUDIT_RECORD_MAX + 16);
    (void)pthread_mutex_lock(&audit->lock);
    enum base_status status = lpa_audit_append_locked(audit, event, &line, err);
    (void)pthread_mutex_unlock(&audit->lock);
    base_buf_done(&line);
    return status;
}

/* --- intent --- */

static enum base_status copy_intent(struct lpa_audit *audit, const struct base_buf *record,
    uint64_t index, struct lpa_intent *ret_intent, struct base_err *err)
{
    struct base_merkle_proof proof;
    enum base_status status =
        base_merkle_tree_inclusion(&audit->tree, index, audit->witness_size, &proof, err);
    if (status != BASE_OK) {
        return status;
    }
    struct lpa_intent intent = { 0 };
    intent.record = malloc(record->length);
    intent.proof = calloc(proof.count + 1, sizeof(*intent.proof));
    intent.checkpoint = strdup(audit->cosigned);
    if (intent.record == NULL || intent.proof == NULL || intent.checkpoint == NULL) {
        lpa_intent_done(&intent);
        return base_err_set(err, BASE_E_NOMEM, "log", 0, "no memory for an intent");
    }
    memcpy(intent.record, record->data, record->length);
    memcpy(intent.proof, proof.hashes, proof.count * sizeof(*intent.proof));
    intent.view = (struct auth_intent){
        .record = intent.record,
        .record_length = record->length,
        .index = index,
        .proof = (const uint8_t(*)[32])intent.proof,
        .proof_count = proof.count,
        .checkpoint = intent.checkpoint,
    };
    *ret_intent = intent;
    return BASE_OK;
}

enum base_status lpa_audit_intent(struct lpa_audit *audit, const struct lpa_event *event,
    lpa_witness_fn *witness, void *user, struct lpa_intent *ret_intent, struct base_err *err)
{
    struct base_buf record;
    base_buf_init(&record, LPA_AUDIT_RECORD_MAX + 16);
    (void)pthread_mutex_lock(&audit->lock);
    uint64_t index = audit->tree.size;
    enum base_status status = lpa_audit_append_locked(audit, event, &record, err);
    (void)pthread_mutex_unlock(&audit->lock);
    if (status == BASE_OK) {
        status = lpa_audit_cosign(audit, witness, user, err);
    }
    if (status == BASE_OK) {
        (void)pthread_mutex_lock(&audit->lock);
        status = copy_intent(audit, &record, index, ret_intent, err);
        (void)pthread_mutex_unlock(&audit->lock);
    }
    base_buf_done(&record);
    return status;
}
