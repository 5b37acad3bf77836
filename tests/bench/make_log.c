/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench-make-log FOLDER RECORDS
 *
 * Write an audit log as a station writes it, signed and cosigned at its end, eight records a unit,
 * with keys of its own; prints both verifier keys. Not a station: nothing is made durable on the
 * way, so that a million records take seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/note.h"
#include "lpa/audit_files.h"
#include "lpa/audit_record.h"

#define SEGMENT_RECORDS 65536U
#define EPOCH_US        INT64_C(1767225600000000)
#define BODY_MAX        512U

struct maker {
    const char *folder;
    FILE *segment;
    uint8_t prev[32];
    struct base_merkle_range range;
    struct base_note_key station, witness;
    struct base_buf line;
};

static void must(enum base_status status, const struct base_err *err)
{
    if (status != BASE_OK) {
        (void)fprintf(stderr, "bench-make-log: %s\n", err->message);
        exit(1);
    }
}

static void open_segment(struct maker *maker)
{
    struct base_err err = { 0 };
    char name[LPA_AUDIT_SEGMENT_NAME_SIZE];
    char path[BASE_FILE_PATH_SIZE];
    if (maker->segment != NULL && fclose(maker->segment) != 0) {
        perror("bench-make-log: segment");
        exit(1);
    }
    lpa_audit_segment_name(maker->range.size, name);
    must(base_file_join(maker->folder, name, sizeof(path), path, &err), &err);
    maker->segment = fopen(path, "we");
    if (maker->segment == NULL) {
        perror(path);
        exit(1);
    }
}

static void append(struct maker *maker, const struct lpa_event *event)
{
    struct base_err err = { 0 };
    uint8_t leaf[32];
    struct lpa_audit_frame frame = {
        .origin = maker->station.verifier.name,
        .station = "station-1",
        .software = "bench",
        .boot = "7d1c1d1e-0000-4000-8000-000000000001",
        .actor_kind = "tester",
        .actor_id = maker->witness.verifier.public_key,
        .certificate_sha256 = maker->station.verifier.public_key,
        .prev = maker->prev,
        .seq = maker->range.size,
        .wall_us = EPOCH_US + (int64_t)maker->range.size * 300000,
        .mono_us = (int64_t)maker->range.size * 300000,
        .have_offset = true,
    };
    if (maker->range.size % SEGMENT_RECORDS == 0) {
        open_segment(maker);
    }
    base_buf_clear(&maker->line);
    must(lpa_audit_record_format(&frame, event, &maker->line, &err), &err);
    base_sha256(maker->line.data, maker->line.length, maker->prev);
    base_merkle_leaf(maker->line.data, maker->line.length, leaf);
    base_merkle_range_append(&maker->range, leaf);
    must(base_buf_append(&maker->line, "\n", 1, &err), &err);
    if (fwrite(maker->line.data, maker->line.length, 1, maker->segment) != 1) {
        perror("bench-make-log: record");
        exit(1);
    }
}

/* What one good unit leaves in the log. */
static void append_unit(struct maker *maker, uint64_t number, uint64_t limit)
{
    static const enum lpa_event_id events[] = { LPA_EVENT_DEVICE_DETECT, LPA_EVENT_DEVICE_IDENTIFY,
        LPA_EVENT_KEY_REQUEST, LPA_EVENT_KEY_ISSUED, LPA_EVENT_INSTALL_BEGIN,
        LPA_EVENT_INSTALL_COMMIT, LPA_EVENT_INSTALL_CONFIRM, LPA_EVENT_UNIT_RESULT };

    uint8_t chip[8] = { 0x51, 0xA0 };
    uint8_t eui[8] = { 0x70, 0xB3, 0xD5, 0x7E };
    char grant[33];
    char lot[16];
    for (unsigned i = 0; i < 4; i++) {
        chip[7 - i] = eui[7 - i] = (uint8_t)(number >> (8 * i));
    }
    (void)snprintf(grant, sizeof(grant), "%032llx", (unsigned long long)number);
    (void)snprintf(lot, sizeof(lot), "LOT-%u", (unsigned)(number / 10000));
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]) && maker->range.size < limit; i++) {
        bool granted = i >= 3;
        append(maker, &(struct lpa_event){ .id = events[i],
                          .result = i == 2 || i == 4 ? NULL : "ok",
                          .lot = lot,
                          .attempt = 1,
                          .site = "usb:04b4:f155:1A2B3C4D5E6F",
                          .chip_id = chip,
                          .dev_eui = granted ? eui : NULL,
                          .grant_id = granted ? grant : NULL,
                          .key_version = granted ? 1 : 0,
                          .statement_sha256 = i == 2 ? maker->prev : NULL,
                          .envelope_sha256 = i == 3 || i == 5 ? maker->prev : NULL,
                          .receipt_sha256 = i == 6 ? maker->prev : NULL,
                          .trust = i == 2 || i == 3 ? "tofu" : NULL });
    }
}

static void write_note(const struct maker *maker, const char *file, const struct base_buf *note)
{
    struct base_err err = { 0 };
    char path[BASE_FILE_PATH_SIZE];
    must(base_file_join(maker->folder, file, sizeof(path), path, &err), &err);
    must(base_file_replace(path, note->data, note->length, 0600, &err), &err);
}

static void sign_end(struct maker *maker)
{
    struct base_err err = { 0 };
    struct base_checkpoint head = { .head.size = maker->range.size };
    struct base_note_signer station;
    struct base_note_signer witness;
    struct base_buf body;
    struct base_buf note;
    base_buf_init(&body, BODY_MAX);
    base_buf_init(&note, BASE_NOTE_MAX_BYTES);
    (void)snprintf(head.origin, sizeof(head.origin), "%s", maker->station.verifier.name);
    base_merkle_range_root(&maker->range, head.head.root);
    base_note_key_signer(&maker->station, &station);
    base_note_key_signer(&maker->witness, &witness);
    must(base_checkpoint_format(&head, &body, &err), &err);
    const char *text = base_buf_text(&body);
    must(base_note_sign(&station, text, body.length, 0, &note, &err), &err);
    write_note(maker, "signed", &note);
    must(base_note_sign_line(
             &witness, text, body.length, (uint64_t)(EPOCH_US / 1000000), &note, &err),
        &err);
    write_note(maker, "checkpoint", &note);
    base_buf_done(&body);
    base_buf_done(&note);
}

static void make_keys(struct maker *maker)
{
    struct base_err err = { 0 };
    struct base_random_seeded random;
    char text[BASE_NOTE_VKEY_SIZE];
    base_random_seeded_init(&random, 7);
    must(base_note_key_generate(
             "bench.local/station-1", BASE_NOTE_ED25519, &random.random, &maker->station, &err),
        &err);
    must(base_note_key_generate(
             "kms.local", BASE_NOTE_COSIGNATURE, &random.random, &maker->witness, &err),
        &err);
    base_note_verifier_format(&maker->station.verifier, text);
    printf("%s\n", text);
    base_note_verifier_format(&maker->witness.verifier, text);
    printf("%s\n", text);
}

int main(int argc, char **argv)
{
    struct maker maker = { 0 };
    unsigned long long records = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    if (records == 0) {
        (void)fprintf(stderr, "usage: %s FOLDER RECORDS\n", argv[0]);
        return 2;
    }
    maker.folder = argv[1];
    base_buf_init(&maker.line, LPA_AUDIT_RECORD_MAX + 16);
    make_keys(&maker);
    for (uint64_t unit = 1; maker.range.size < records; unit++) {
        append_unit(&maker, unit, records);
    }
    if (fclose(maker.segment) != 0) {
        perror("bench-make-log: segment");
        return 1;
    }
    sign_end(&maker);
    base_buf_done(&maker.line);
    base_note_key_done(&maker.station);
    base_note_key_done(&maker.witness);
    return 0;
}
