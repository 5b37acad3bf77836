/* SPDX-License-Identifier: Apache-2.0 */
/* Write well-formed inputs for the fuzz targets of binary formats: FOLDER/TARGET/NAME. Made with
 * the encoders, so that they follow when a format changes. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "device-fw/protocol/binding.h"
#include "device-fw/protocol/messages.h"
#include "lpa/audit.h"
#include "lpa/audit_record.h"
#include "lpa/journal.h"
#include "lpa/mailbox.h"
#include "sim/board.h"
#include "tests/fuzz/log_key.h"

struct seeds {
    const char *folder;
    bool failed;
};

static void seed_path(
    const struct seeds *seeds, const char *target, const char *name, size_t size, char *ret_path)
{
    char folder[BASE_FILE_PATH_SIZE / 2];
    (void)snprintf(folder, sizeof(folder), "%s/%s", seeds->folder, target);
    (void)!base_file_make_folder(folder, NULL);
    (void)snprintf(ret_path, size, "%s/%s", folder, name);
}

static void write_seed(
    struct seeds *seeds, const char *target, const char *name, const void *data, size_t length)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_err err = { 0 };
    seed_path(seeds, target, name, sizeof(path), path);
    if (base_file_replace(path, data, length, 0644, &err) != BASE_OK) {
        (void)fprintf(stderr, "make_seeds: %s\n", err.message);
        seeds->failed = true;
    }
}

static void write_messages(struct seeds *seeds)
{
    struct proto_hello hello = { .flags = PROTO_FLAG_BOUND,
        .lifecycle = PROTO_LIFECYCLE_NORMAL,
        .vault_state = PROTO_VAULT_COMMITTED,
        .health = PROTO_OK };
    struct proto_statement statement = { .lifecycle = PROTO_LIFECYCLE_NORMAL,
        .flags = PROTO_FLAG_LAB,
        .vault_state = PROTO_VAULT_IDENTITY };
    struct proto_envelope_header header = { .purpose = PROTO_PURPOSE_INSTALL,
        .lorawan_version = PROTO_LORAWAN_1_1,
        .keys = PROTO_KEY_NWK | PROTO_KEY_APP,
        .key_version = 1 };
    struct proto_receipt receipt = { .purpose = PROTO_PURPOSE_INSTALL, .key_version = 1 };
    struct proto_lock_answer lock_answer = { .key_version = 1 };
    struct proto_binding binding = { .flags = PROTO_FLAG_LAB, .minimum_protocol = PROTO_VERSION };
    uint8_t bytes[PROTO_BINDING_SIZE] = { 0 };
    statement.public_key[0] = 4;
    binding.authority_key[0][0] = 4;
    proto_hello_encode(&hello, bytes);
    write_seed(seeds, "messages", "hello", bytes, PROTO_HELLO_SIZE);
    proto_statement_encode(&statement, bytes);
    write_seed(seeds, "messages", "statement", bytes, PROTO_STATEMENT_SIZE);
    proto_receipt_encode(&receipt, bytes);
    write_seed(seeds, "messages", "receipt", bytes, PROTO_RECEIPT_SIZE);
    proto_lock_answer_encode(&lock_answer, bytes);
    write_seed(seeds, "messages", "lock-answer", bytes, PROTO_LOCK_ANSWER_SIZE);
    memset(bytes, 0, sizeof(bytes));
    proto_envelope_header_encode(&header, bytes);
    bytes[PROTO_ENVELOPE_HEADER_SIZE] = 4;
    write_seed(seeds, "messages", "envelope", bytes, PROTO_ENVELOPE_SIZE);
    /* The same envelope as a mailbox frame: command, flags, length. */
    uint8_t frame[4 + PROTO_ENVELOPE_SIZE] = { PROTO_CMD_INSTALL, 0, PROTO_ENVELOPE_SIZE, 0 };
    memcpy(frame + 4, bytes, PROTO_ENVELOPE_SIZE);
    write_seed(seeds, "mailbox", "install", frame, sizeof(frame));
    static const uint8_t asks[] = { PROTO_CMD_HELLO, 0, 0, 0, PROTO_CMD_RECEIPT, 0, 0, 0 };
    write_seed(seeds, "mailbox", "asks", asks, sizeof(asks));
    static const uint8_t forget[4 + PROTO_MAC_SIZE] = { PROTO_CMD_FORGET, 0, PROTO_MAC_SIZE, 0 };
    write_seed(seeds, "mailbox", "forget", forget, sizeof(forget));
    proto_binding_encode(&binding, bytes);
    write_seed(seeds, "messages", "binding", bytes, sizeof(bytes));
}

static void write_audit(struct seeds *seeds)
{
    static const uint8_t bytes[32] = { 1, 2, 3 };
    const struct lpa_audit_frame frame = { .origin = "station-1",
        .station = "station-1",
        .software = "0.1.0",
        .boot = "boot",
        .actor_kind = "tester",
        .actor_id = bytes,
        .certificate_sha256 = bytes,
        .prev = bytes,
        .seq = 7,
        .have_offset = true,
        .offset_ms = -12 };
    const struct lpa_event event = { .id = LPA_EVENT_KEY_REQUEST,
        .result = "ok",
        .code = "code",
        .step = "grant",
        .why = "why",
        .text = "one \"sentence\" with \\",
        .lot = "L-1",
        .attempt = 2,
        .site = "tcp:127.0.0.1:1",
        .lifecycle = "normal",
        .trust = "tofu",
        .grant_id = "00112233445566778899aabbccddeeff",
        .chip_id = bytes,
        .dev_eui = bytes,
        .join_eui = bytes,
        .public_key_sha256 = bytes,
        .image_sha256 = bytes,
        .statement_sha256 = bytes,
        .envelope_sha256 = bytes,
        .receipt_sha256 = bytes,
        .bootloader_version = 1,
        .key_version = 1 };
    struct base_buf text;
    struct base_err err = { 0 };
    base_buf_init(&text, LPA_AUDIT_RECORD_MAX);
    if (lpa_audit_record_format(&frame, &event, &text, &err) == BASE_OK) {
        write_seed(seeds, "audit", "request", text.data, text.length);
    } else {
        (void)fprintf(stderr, "make_seeds: %s\n", err.message);
        seeds->failed = true;
    }
    base_buf_done(&text);
}

/* Append a file of the log and a zero byte; a file that is not there is empty. */
static void append_file(const char *folder, const char *name, struct base_buf *all)
{
    char path[BASE_FILE_PATH_SIZE];
    (void)!base_file_join(folder, name, sizeof(path), path, NULL);
    (void)!base_file_read(path, all, NULL);
    (void)unlink(path);
    (void)!base_buf_append(all, "", 1, NULL);
}

/* The KMS is away: the log signs its checkpoint all the same. */
static enum base_status no_witness(void *user, uint64_t old_size, const uint8_t (*proof)[32],
    size_t proof_count, const char *checkpoint, enum auth_witness *ret_witness, uint64_t *ret_size,
    char *ret_cosignature, struct base_err *err)
{
    (void)user;
    (void)old_size;
    (void)proof;
    (void)proof_count;
    (void)checkpoint;
    (void)ret_witness;
    (void)ret_size;
    (void)ret_cosignature;
    return base_err_set(err, BASE_E_REMOTE, "fuzz", 0, "there is no KMS here");
}

static void write_log(struct seeds *seeds)
{
    char folder[BASE_FILE_PATH_SIZE / 2];
    struct base_note_key key = { 0 };
    struct base_note_signer signer;
    struct lpa_audit *audit = NULL;
    struct base_err err = { 0 };
    struct base_buf all;
    base_buf_init(&all, 65536);
    log_key_make(&key);
    base_note_key_signer(&key, &signer);
    (void)snprintf(folder, sizeof(folder), "%s/log", seeds->folder);
    const struct lpa_audit_opts opts = { .folder = folder,
        .station = "station-1",
        .software = "0.1.0",
        .signer = &signer,
        .clock = base_clock_system() };
    const struct lpa_event start = { .id = LPA_EVENT_STATION_START, .result = "ok" };
    const struct lpa_event request = { .id = LPA_EVENT_KEY_REQUEST, .lot = "L-1" };
    if (lpa_audit_open(&opts, &audit, &err) != BASE_OK ||
        lpa_audit_append(audit, &start, &err) != BASE_OK ||
        lpa_audit_append(audit, &request, &err) != BASE_OK) {
        (void)fprintf(stderr, "make_seeds: %s\n", err.message);
        seeds->failed = true;
    }
    if (audit != NULL) {
        (void)!lpa_audit_cosign(audit, no_witness, NULL, NULL);
    }
    lpa_audit_close(audit);
    append_file(folder, "000000000000.jsonl", &all);
    append_file(folder, "signed", &all);
    append_file(folder, "checkpoint", &all);
    append_file(folder, "history", &all);
    write_seed(seeds, "auditlog", "two-records", all.data, all.length);
    base_buf_done(&all);
    base_note_key_done(&key);
}

static void write_journal(struct seeds *seeds)
{
    char path[BASE_FILE_PATH_SIZE];
    struct lpa_journal *journal = NULL;
    struct lpa_unit unit = { .lot = "L-1", .attempt = 1, .site = "tcp:127.0.0.1:1" };
    struct base_err err = { 0 };
    seed_path(seeds, "journal", "one-unit", sizeof(path), path);
    (void)unlink(path);
    if (lpa_journal_open(path, &journal, &err) != BASE_OK ||
        lpa_journal_put(journal, &unit, &err) != BASE_OK) {
        (void)fprintf(stderr, "make_seeds: %s\n", err.message);
        seeds->failed = true;
    }
    lpa_journal_close(journal);
}

/* What a simulated probe answers in a whole session, in the form that fuzz_dap.c takes: length,
 * then the answer without its command byte. */
struct recorder {
    struct sim_board *board;
    struct base_buf answers;
};

static void exchange(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    struct recorder *recorder = user;
    ssize_t got = sim_board_exec(recorder->board, request, length, ret_response, PRG_PACKET_MAX);
    *ret_length = got > 0 ? (size_t)got : 0;
    uint8_t rest = (uint8_t)(got > 0 ? got - 1 : 0);
    (void)!base_buf_append(&recorder->answers, &rest, 1, NULL);
    (void)!base_buf_append(&recorder->answers, ret_response + 1, rest, NULL);
}

static void write_session(struct seeds *seeds)
{
    struct recorder recorder = { 0 };
    struct sim_board_opts opts = { .probe = { .packet_size = 64 } };
    struct prg_wire wire = { 0 };
    struct prg_link *link = NULL;
    struct lpa_mailbox *mailbox = NULL;
    struct base_err err = { 0 };
    base_buf_init(&recorder.answers, 1U << 15);
    if (sim_board_new(&opts, &recorder.board, &err) != BASE_OK ||
        prg_wire_memory(exchange, &recorder, &wire, &err) != BASE_OK ||
        prg_link_open_wire(&wire, NULL, &link, &err) != BASE_OK) {
        (void)fprintf(stderr, "make_seeds: %s\n", err.message);
        seeds->failed = true;
    } else {
        /* The chip is blank: the search for a mailbox ends in vain, which is a good seed too. */
        (void)!lpa_mailbox_open(link, 20, &mailbox, &err);
        lpa_mailbox_close(mailbox);
        write_seed(seeds, "dap", "session", recorder.answers.data, recorder.answers.length);
    }
    prg_link_close(link);
    sim_board_free(recorder.board);
    base_buf_done(&recorder.answers);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: make_seeds FOLDER\n");
        return 2;
    }
    struct seeds seeds = { .folder = argv[1] };
    (void)!base_file_make_folder(argv[1], NULL);
    write_messages(&seeds);
    write_audit(&seeds);
    write_log(&seeds);
    write_journal(&seeds);
    write_session(&seeds);
    return seeds.failed ? 1 : 0;
}
