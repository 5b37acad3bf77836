/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/merkle.h"
#include "lpa/audit_files.h"
#include "lpa/audit_verify.h"

#include <errno.h>
#include <string.h>

struct exporter {
    FILE *out;
    struct base_sha256 hash;
    uint64_t records;
};

static enum base_status write_out(
    struct exporter *e, const void *data, size_t length, struct base_err *err)
{
    if (fwrite(data, 1, length, e->out) != length) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot write the export");
    }
    base_sha256_update(&e->hash, data, length);
    return BASE_OK;
}

/* --- JSON Lines --- */

static enum base_status export_line(
    void *user, const char *line, size_t length, struct base_err *err)
{
    struct exporter *e = user;
    enum base_status status = write_out(e, line, length, err);
    if (status == BASE_OK) {
        status = write_out(e, "\n", 1, err);
    }
    e->records++;
    return status;
}

/* --- CSV (RFC 4180) --- */

struct column {
    const char *name;
    size_t offset;
};

/* The order is fixed: columns are only ever added at the end. */
static const struct column columns[] = {
#define COLUMN(name, member)                                                                       \
    {                                                                                              \
        name, offsetof(struct lpa_audit_fields, member)                                            \
    }
    COLUMN("seq", seq),
    COLUMN("time", wall),
    COLUMN("event", ev),
    COLUMN("result", result),
    COLUMN("code", code),
    COLUMN("step", step),
    COLUMN("lot", lot),
    COLUMN("attempt", attempt),
    COLUMN("site", site),
    COLUMN("chip_id", chip_id),
    COLUMN("dev_eui", dev_eui),
    COLUMN("join_eui", join_eui),
    COLUMN("trust", trust),
    COLUMN("grant_id", grant_id),
    COLUMN("key_version", key_version),
    COLUMN("actor_kind", actor_kind),
    COLUMN("actor_id", actor_id),
    COLUMN("station", station),
    COLUMN("software", software),
    COLUMN("statement_sha256", statement_sha256),
    COLUMN("envelope_sha256", envelope_sha256),
    COLUMN("receipt_sha256", receipt_sha256),
    COLUMN("pubkey_sha256", public_key_sha256),
    COLUMN("bootloader_sha256", image_sha256),
    COLUMN("why", why),
    COLUMN("text", text),
    COLUMN("log", log),
    COLUMN("probe_vendor", probe_vendor),
    COLUMN("probe_product", probe_product),
    COLUMN("probe_serial", probe_serial),
    COLUMN("probe_firmware", probe_firmware),
    COLUMN("permit_id", permit_id),
    COLUMN("record_sha256", record_sha256),
    COLUMN("application_sha256", application_sha256),
#undef COLUMN
};

#define COLUMNS    (sizeof(columns) / sizeof(columns[0]))
#define CELL_BYTES 1400U

/* All quoted; quotes doubled; what a spreadsheet would run as a formula gets an apostrophe. */
static enum base_status add_cell(
    struct base_buf *row, const char *text, bool last, struct base_err *err)
{
    const char *defuse = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL ? "'" : "";
    enum base_status status = base_buf_printf(row, err, "\"%s", defuse);
    for (const char *c = text; *c != '\0' && status == BASE_OK; c++) {
        status = base_buf_append(row, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1, err);
    }
    return status == BASE_OK ? base_buf_printf(row, err, "\"%s", last ? "\r\n" : ",") : status;
}

static enum base_status add_header(struct base_buf *row, struct base_err *err)
{
    enum base_status status = BASE_OK;
    for (size_t i = 0; i < COLUMNS && status == BASE_OK; i++) {
        status = add_cell(row, columns[i].name, false, err);
    }
    return status == BASE_OK ? add_cell(row, "leaf_hash", true, err) : status;
}

static enum base_status add_row(struct base_buf *row, const struct lpa_audit_fields *fields,
    const char *line, size_t length, struct base_err *err)
{
    enum base_status status = BASE_OK;
    for (size_t i = 0; i < COLUMNS && status == BASE_OK; i++) {
        char text[CELL_BYTES];
        struct lpa_span span;
        memcpy(&span, (const char *)fields + columns[i].offset, sizeof(span));
        lpa_span_text(span, sizeof(text), text);
        status = add_cell(row, text, false, err);
    }
    uint8_t leaf[32];
    char text[BASE_BASE64_SIZE(32)];
    base_merkle_leaf(line, length, leaf);
    base_base64_encode(leaf, sizeof(leaf), text);
    return status == BASE_OK ? add_cell(row, text, true, err) : status;
}

static enum base_status export_row(
    void *user, const char *line, size_t length, struct base_err *err)
{
    struct exporter *e = user;
    struct lpa_audit_fields fields;
    struct base_buf row;
    enum base_status status = lpa_audit_record_scan(line, length, &fields, err);
    if (status != BASE_OK) {
        base_err_prefix(err, "record %llu: ", (unsigned long long)e->records);
        return status;
    }
    base_buf_init(&row, 65536);
    if (e->records == 0) {
        status = add_header(&row, err);
    }
    if (status == BASE_OK) {
        status = add_row(&row, &fields, line, length, err);
    }
    if (status == BASE_OK) {
        status = write_out(e, row.data, row.length, err);
    }
    base_buf_done(&row);
    e->records++;
    return status;
}

/* --- footer --- */

static enum base_status copy_note(void *user, const char *note, size_t length, struct base_err *err)
{
    struct base_buf *text = user;
    base_buf_clear(text);
    return base_buf_append(text, note, length, err);
}

/* Plain lines, so that sha256sum and any note verifier can check an export. */
static enum base_status write_footer(const struct lpa_audit_verify_opts *opts,
    const struct exporter *e, const uint8_t digest[32], const char *path, struct base_err *err)
{
    struct base_buf note;
    struct base_buf text;
    char hex[65];
    char vkey[BASE_NOTE_VKEY_SIZE];
    base_buf_init(&note, BASE_NOTE_MAX_BYTES);
    base_buf_init(&text, 65536);
    base_hex_encode(digest, 32, hex);
    base_note_verifier_format(opts->station, vkey);
    enum base_status status =
        lpa_audit_read_notes(opts->folder, "checkpoint", copy_note, &note, err);
    if (status == BASE_OK) {
        status = base_buf_printf(&text, err, "sha256 %s\nrecords %llu\nstation %s\n", hex,
            (unsigned long long)e->records, vkey);
    }
    if (status == BASE_OK && opts->witness != NULL) {
        base_note_verifier_format(opts->witness, vkey);
        status = base_buf_printf(&text, err, "witness %s\n", vkey);
    }
    if (status == BASE_OK) {
        status = base_buf_printf(&text, err, "\n%.*s", (int)note.length,
            note.length == 0 ? "" : (const char *)note.data);
    }
    if (status == BASE_OK) {
        status = base_file_replace(path, text.data, text.length, 0644, err);
    }
    base_buf_done(&note);
    base_buf_done(&text);
    return status;
}

enum base_status lpa_audit_export(const struct lpa_audit_verify_opts *opts,
    enum lpa_audit_format format, FILE *out, const char *footer_path, struct base_err *err)
{
    struct exporter e = { .out = out };
    struct lpa_audit_tail tail;
    uint8_t digest[32];
    base_sha256_init(&e.hash);
    enum base_status status = lpa_audit_read(
        opts->folder, format == LPA_AUDIT_CSV ? export_row : export_line, &e, &tail, err);
    if (status == BASE_OK && fflush(out) != 0) {
        status = base_err_errno(err, BASE_E_IO, errno, "cannot write the export");
    }
    base_sha256_final(&e.hash, digest);
    if (status == BASE_OK && footer_path != NULL) {
        status = write_footer(opts, &e, digest, footer_path, err);
    }
    return status;
}
