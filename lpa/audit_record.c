/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/audit_record.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *lpa_event_name(enum lpa_event_id id)
{
    static const char *const names[] = {
#define X(name, text) text,
        LPA_EVENT_LIST(X)
#undef X
    };
    return (unsigned)id < LPA_EVENT_COUNT ? names[id] : NULL;
}

/* Writes members in the order they are given, which is the canonical order because this file keeps
 * it. A group (nested object) appears only when one of its members does. */
struct writer {
    struct base_buf *record;
    struct base_err *err;
    enum base_status status;
    const char *group; /**< nested object to open with the next member */
    bool open;         /**< inside a nested object */
    bool comma;
};

static void put(struct writer *w, const char *text, size_t length)
{
    if (w->status == BASE_OK) {
        w->status = base_buf_append(w->record, text, length, w->err);
    }
}

static void put_text(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void name(struct writer *w, const char *member)
{
    if (w->group != NULL && !w->open) {
        put_text(w, w->comma ? ",\"" : "\"");
        put_text(w, w->group);
        put_text(w, "\":{");
        w->open = true;
        w->comma = false;
    }
    put_text(w, w->comma ? ",\"" : "\"");
    put_text(w, member);
    put_text(w, "\":");
    w->comma = true;
}

static void group(struct writer *w, const char *group_name)
{
    if (w->open) {
        put_text(w, "}");
        w->comma = true;
    }
    w->open = false;
    w->group = group_name;
}

static void member_text(struct writer *w, const char *member, const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return;
    }
    name(w, member);
    put_text(w, "\"");
    for (const char *c = text; *c != '\0'; c++) {
        char safe = *c < 0x20 || *c > 0x7E ? '?' : *c;
        if (safe == '"' || safe == '\\') {
            put(w, "\\", 1);
        }
        put(w, &safe, 1);
    }
    put_text(w, "\"");
}

static void member_number(struct writer *w, const char *member, int64_t number)
{
    char digits[24];
    (void)snprintf(digits, sizeof(digits), "%" PRId64, number);
    name(w, member);
    put_text(w, digits);
}

static void member_count(struct writer *w, const char *member, uint32_t number)
{
    if (number != 0) {
        member_number(w, member, number);
    }
}

static void member_hash(struct writer *w, const char *member, const uint8_t *hash)
{
    if (hash != NULL) {
        char text[BASE_BASE64_SIZE(32)];
        base_base64url_encode(hash, 32, text);
        member_text(w, member, text);
    }
}

static void member_eui(struct writer *w, const char *member, const uint8_t *eui)
{
    if (eui != NULL) {
        char text[17];
        base_hex_encode(eui, 8, text);
        member_text(w, member, text);
    }
}

static void write_device(struct writer *w, const struct lpa_event *event)
{
    group(w, "device");
    member_hash(w, "application_sha256", event->application_sha256);
    member_hash(w, "bootloader_sha256", event->image_sha256);
    member_count(w, "bootloader_version", event->bootloader_version);
    member_eui(w, "chip_id", event->chip_id);
    member_eui(w, "dev_eui", event->dev_eui);
    member_eui(w, "join_eui", event->join_eui);
    member_text(w, "lifecycle", event->lifecycle);
    member_hash(w, "pubkey_sha256", event->public_key_sha256);
    member_text(w, "trust", event->trust);
    group(w, NULL);
}

static void write_probe(struct writer *w, const struct lpa_event *event)
{
    static const struct lpa_probe unknown = { .vendor = "" };
    const struct lpa_probe *probe = event->probe == NULL ? &unknown : event->probe;
    group(w, "probe");
    member_text(w, "firmware", probe->firmware);
    member_text(w, "product", probe->product);
    member_text(w, "serial", probe->serial);
    member_text(w, "url", event->site);
    member_text(w, "vendor", probe->vendor);
}

static void write_references(struct writer *w, const struct lpa_event *event)
{
    group(w, "ref");
    member_hash(w, "envelope_sha256", event->envelope_sha256);
    member_text(w, "grant_id", event->grant_id);
    member_count(w, "key_version", event->key_version);
    member_text(w, "permit_id", event->permit_id);
    member_hash(w, "receipt_sha256", event->receipt_sha256);
    member_hash(w, "record_sha256", event->record_sha256);
    group(w, "res");
    member_text(w, "code", event->code);
    member_text(w, "result", event->result);
    member_text(w, "step", event->step);
    group(w, NULL);
}

static void write_record(
    struct writer *w, const struct lpa_audit_frame *frame, const struct lpa_event *event)
{
    char wall[BASE_CLOCK_TEXT_SIZE];
    base_clock_format(frame->wall_us, wall);
    put_text(w, "{");
    group(w, "actor");
    member_hash(w, "cert_sha256", frame->certificate_sha256);
    member_hash(w, "id_hmac", frame->actor_id);
    member_text(w, "kind", frame->actor_kind);
    group(w, NULL);
    member_text(w, "boot", frame->boot);
    write_device(w, event);
    member_text(w, "ev", lpa_event_name(event->id));
    member_text(w, "log", frame->origin);
    group(w, "lot");
    member_count(w, "attempt", event->attempt);
    member_text(w, "id", event->lot);
    group(w, NULL);
    member_hash(w, "prev", frame->prev);
    write_probe(w, event);
    write_references(w, event);
    member_number(w, "seq", (int64_t)frame->seq);
    if (frame->have_offset) {
        member_number(w, "skew_ms", frame->offset_ms);
    }
    group(w, "station");
    member_text(w, "id", frame->station);
    member_text(w, "software", frame->software);
    group(w, NULL);
    member_number(w, "t_mono", frame->mono_us);
    member_text(w, "t_wall", wall);
    member_number(w, "v", LPA_AUDIT_VERSION);
    member_text(w, "why", event->why);
    group(w, "x");
    member_hash(w, "statement_sha256", event->statement_sha256);
    member_text(w, "text", event->text);
    group(w, NULL);
    put_text(w, "}");
}

enum base_status lpa_audit_record_format(const struct lpa_audit_frame *frame,
    const struct lpa_event *event, struct base_buf *record, struct base_err *err)
{
    if (lpa_event_name(event->id) == NULL) {
        return base_err_set(err, BASE_E_ARG, "log", (int64_t)event->id,
            "event number %d is not one that the log knows", (int)event->id);
    }
    size_t before = record->length;
    struct writer w = { .record = record, .err = err, .status = BASE_OK };
    write_record(&w, frame, event);
    if (w.status == BASE_OK && record->length - before > LPA_AUDIT_RECORD_MAX) {
        w.status = base_err_set(err, BASE_E_ARG, "log", (int64_t)(record->length - before),
            "a log record of %zu bytes is above the limit of %u", record->length - before,
            LPA_AUDIT_RECORD_MAX);
    }
    if (w.status != BASE_OK) {
        record->length = before;
    }
    return w.status;
}
