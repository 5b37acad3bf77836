/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/audit_verify.h"

#include "base/hash.h"
#include "lpa/audit_files.h"
#include "lpa/audit_lots.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVERY 32768U

/* A checkpoint that the records must lead to. */
struct mark {
    struct base_merkle_head head;
    const char *file;
};

struct verifier {
    const struct lpa_audit_verify_opts *opts;
    struct lpa_audit_report *report;
    struct base_note_verifier keys[2];
    size_t key_count;
    struct mark *marks; /**< by size */
    size_t mark_count, mark_capacity, next_mark;
    bool bad; /**< the records read from here on are not believed */
    struct base_merkle_range range;
    uint8_t prev[32];
    char boot[64];
    char wall[32];
    struct lpa_audit_lots lots;
};

static void tampered(struct verifier *v, int64_t seq, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first finding stands. */
static void tampered(struct verifier *v, int64_t seq, const char *format, ...)
{
    if (v->report->verdict == LPA_AUDIT_TAMPERED) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(v->report->reason, sizeof(v->report->reason), format, args);
    va_end(args);
    v->report->verdict = LPA_AUDIT_TAMPERED;
    v->report->first_bad = seq;
}

/* --- checkpoints --- */

static enum base_status add_mark(
    struct verifier *v, const struct base_merkle_head *head, const char *file, struct base_err *err)
{
    if (v->mark_count == v->mark_capacity) {
        size_t capacity = v->mark_capacity == 0 ? 16 : v->mark_capacity * 2;
        struct mark *bigger = reallocarray(v->marks, capacity, sizeof(*bigger));
        if (bigger == NULL) {
            return base_err_set(err, BASE_E_NOMEM, "log", 0, "no memory for the checkpoints");
        }
        v->marks = bigger;
        v->mark_capacity = capacity;
    }
    v->marks[v->mark_count++] = (struct mark){ *head, file };
    return BASE_OK;
}

struct note_walk {
    struct verifier *v;
    const char *file;
    bool cosigned;
};

static void take_sizes(
    const struct note_walk *walk, const struct base_note_opened *opened, uint64_t size)
{
    struct lpa_audit_report *report = walk->v->report;
    report->checkpoints++;
    if (opened->by[0].valid && size > report->signed_size) {
        report->signed_size = size;
    }
    /* Without the KMS's key its signatures prove nothing, so they count for nothing. */
    bool cosigned = walk->v->key_count > 1 && opened->by[1].valid;
    if (cosigned && size >= report->cosigned_size) {
        report->cosigned_size = size;
        report->cosigned_time_s = opened->by[1].time_s;
    }
}

static enum base_status take_note(void *user, const char *note, size_t length, struct base_err *err)
{
    const struct note_walk *walk = user;
    struct verifier *v = walk->v;
    struct base_note_opened opened;
    struct base_checkpoint checkpoint;
    struct base_err cause = { 0 };
    enum base_status status = base_note_open(note, length, v->keys, v->key_count, &opened, &cause);
    if (status == BASE_OK) {
        status = base_checkpoint_parse(note, opened.body_length, &checkpoint, &cause);
    }
    if (status == BASE_E_NOMEM) {
        return base_err_set(err, status, "log", 0, "%s", cause.message);
    }
    if (status != BASE_OK) {
        tampered(v, -1, "a checkpoint in %s: %s", walk->file, cause.message);
        return BASE_OK;
    }
    if (strcmp(checkpoint.origin, v->keys[0].name) != 0 || !opened.by[0].valid) {
        tampered(v, -1, "a checkpoint in %s is not signed by the station's log key", walk->file);
        return BASE_OK;
    }
    if (walk->cosigned && v->key_count > 1 && !opened.by[1].valid) {
        tampered(v, -1, "a checkpoint in %s is not cosigned by the KMS's key", walk->file);
        return BASE_OK;
    }
    take_sizes(walk, &opened, checkpoint.head.size);
    return add_mark(v, &checkpoint.head, walk->file, err);
}

static int by_size(const void *a, const void *b)
{
    const struct mark *left = a;
    const struct mark *right = b;
    return (left->head.size > right->head.size) - (left->head.size < right->head.size);
}

static enum base_status read_checkpoints(struct verifier *v, struct base_err *err)
{
    static const struct {
        const char *file;
        bool cosigned;
    } files[] = { { "signed", false }, { "checkpoint", true }, { "history", true } };
    enum base_status status = BASE_OK;
    for (size_t i = 0; i < 3 && status == BASE_OK; i++) {
        struct note_walk walk = { v, files[i].file, files[i].cosigned };
        struct base_err cause = { 0 };
        status = lpa_audit_read_notes(v->opts->folder, files[i].file, take_note, &walk, &cause);
        if (status == BASE_E_CORRUPT) {
            tampered(v, -1, "%s", cause.message);
            status = BASE_OK;
        } else if (status != BASE_OK && err != NULL && err->status == BASE_OK) {
            *err = cause;
        }
    }
    if (status == BASE_OK && v->opts->known_checkpoint != NULL) {
        struct note_walk walk = { v, "the known checkpoint", false };
        status =
            take_note(&walk, v->opts->known_checkpoint, strlen(v->opts->known_checkpoint), err);
    }
    if (v->mark_count != 0) {
        qsort(v->marks, v->mark_count, sizeof(*v->marks), by_size);
    }
    return status;
}

/* Every checkpoint of the present size must have the present root. */
static void compare_marks(struct verifier *v)
{
    uint8_t root[32];
    bool have_root = false;
    while (v->next_mark < v->mark_count && v->marks[v->next_mark].head.size == v->range.size) {
        const struct mark *mark = &v->marks[v->next_mark++];
        if (!have_root) {
            base_merkle_range_root(&v->range, root);
            have_root = true;
        }
        if (memcmp(root, mark->head.root, sizeof(root)) != 0) {
            tampered(v, -1,
                "the first %" PRIu64 " records are not those that %s was signed for: records were "
                "changed, left out, put in or swapped",
                v->range.size, mark->file);
        }
    }
}

/* --- records --- */

static void note_time(struct verifier *v, const struct lpa_audit_fields *fields)
{
    char boot[sizeof(v->boot)];
    char wall[sizeof(v->wall)];
    lpa_span_text(fields->boot, sizeof(boot), boot);
    lpa_span_text(fields->wall, sizeof(wall), wall);
    bool same_boot = strcmp(boot, v->boot) == 0;
    v->report->boots += !same_boot && v->range.size > 0;
    /* RFC 3339 UTC of fixed width sorts like the time it tells. */
    v->report->clock_steps += same_boot && strcmp(wall, v->wall) < 0;
    memcpy(v->boot, boot, sizeof(boot));
    memcpy(v->wall, wall, sizeof(wall));
}

static const char *record_fault(struct verifier *v, const struct lpa_audit_fields *fields)
{
    uint64_t seq = 0;
    uint64_t version = 0;
    uint8_t prev[32];
    if (!lpa_span_number(fields->version, &version) || version != LPA_AUDIT_VERSION) {
        return "is of another version";
    }
    if (!lpa_span_number(fields->seq, &seq) || seq != v->range.size) {
        return "carries another sequence number";
    }
    if (!lpa_span_is(fields->log, v->keys[0].name)) {
        return "belongs to another log";
    }
    if (!lpa_span_hash(fields->prev, prev) || memcmp(prev, v->prev, sizeof(prev)) != 0) {
        return "does not follow the record before it";
    }
    return fields->ev.data == NULL ? "names no event" : NULL;
}

static enum base_status take_record(
    void *user, const char *line, size_t length, struct base_err *err)
{
    struct verifier *v = user;
    struct lpa_audit_fields fields = { 0 };
    struct base_err cause = { 0 };
    uint8_t leaf[32];
    const char *fault = NULL;
    if (lpa_audit_record_scan(line, length, &fields, &cause) != BASE_OK) {
        fault = cause.message;
    } else {
        fault = record_fault(v, &fields);
    }
    if (fault != NULL && !v->bad) {
        tampered(v, (int64_t)v->range.size, "record %" PRIu64 ": %s", v->range.size, fault);
        v->bad = true;
    }
    compare_marks(v);
    enum base_status status = BASE_OK;
    if (!v->bad) {
        note_time(v, &fields);
        v->report->gaps += lpa_span_is(fields.ev, "log.gap");
        status = lpa_audit_lots_take(&v->lots, &fields, err);
    }
    base_sha256(line, length, v->prev);
    base_merkle_leaf(line, length, leaf);
    base_merkle_range_append(&v->range, leaf);
    if (v->opts->progress != NULL && v->range.size % PROGRESS_EVERY == 0) {
        v->opts->progress(v->opts->progress_user, v->range.size);
    }
    return status;
}

static enum base_status read_records(struct verifier *v, struct base_err *err)
{
    struct lpa_audit_tail tail = { 0 };
    struct base_err cause = { 0 };
    enum base_status status = lpa_audit_read(v->opts->folder, take_record, v, &tail, &cause);
    if (status == BASE_E_CORRUPT) {
        tampered(v, (int64_t)v->range.size, "%s", cause.message);
        return BASE_OK;
    }
    if (status != BASE_OK && err != NULL && err->status == BASE_OK) {
        *err = cause;
    }
    v->report->torn_bytes = tail.torn_bytes;
    return status;
}

static void conclude(struct verifier *v)
{
    struct lpa_audit_report *report = v->report;
    compare_marks(v);
    report->records = v->range.size;
    base_merkle_range_root(&v->range, report->root);
    if (v->next_mark < v->mark_count) {
        const struct mark *mark = &v->marks[v->mark_count - 1];
        tampered(v, (int64_t)v->range.size,
            "%s covers %" PRIu64 " records, but the log holds only %" PRIu64
            ": records were cut off",
            mark->file, mark->head.size, v->range.size);
    }
    lpa_audit_lots_count(&v->lots);
    report->unanswered =
        v->lots.requests > v->lots.answers ? v->lots.requests - v->lots.answers : 0;
    report->lots = v->lots.lots;
    report->lot_count = v->lots.count;
    v->lots.lots = NULL;
    bool tail = report->cosigned_size < report->records || report->torn_bytes != 0;
    if (report->verdict == LPA_AUDIT_OK && tail) {
        report->verdict = LPA_AUDIT_UNWITNESSED;
        (void)snprintf(report->reason, sizeof(report->reason), "the last %" PRIu64 " records %s%s",
            report->records - report->cosigned_size,
            report->witness_checked ? "are not cosigned by the KMS yet"
                                    : "cannot be shown to be cosigned, since the KMS's key is not "
                                      "known",
            report->torn_bytes != 0 ? ", and an incomplete record follows them" : "");
    }
}

enum base_status lpa_audit_verify(const struct lpa_audit_verify_opts *opts,
    struct lpa_audit_report *ret_report, struct base_err *err)
{
    if (opts == NULL || opts->folder == NULL || opts->station == NULL) {
        return base_err_set(
            err, BASE_E_ARG, "log", 0, "verification needs a log folder and the station's log key");
    }
    struct lpa_audit_report report = { .first_bad = -1, .witness_checked = opts->witness != NULL };
    struct verifier v = { .opts = opts, .report = &report, .key_count = 1 };
    v.keys[0] = *opts->station;
    if (opts->witness != NULL) {
        v.keys[v.key_count++] = *opts->witness;
    }
    enum base_status status = read_checkpoints(&v, err);
    if (status == BASE_OK) {
        status = read_records(&v, err);
    }
    if (status == BASE_OK) {
        conclude(&v);
        *ret_report = report;
    }
    lpa_audit_lots_done(&v.lots);
    free(v.marks);
    return status;
}

void lpa_audit_report_done(struct lpa_audit_report *report)
{
    if (report != NULL) {
        free(report->lots);
        report->lots = NULL;
        report->lot_count = 0;
    }
}
