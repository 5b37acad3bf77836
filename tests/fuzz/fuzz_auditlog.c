/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the files of an audit log that somebody has changed. The input is the segment and
 * the files "signed" and "checkpoint", with a zero byte between them. The verifier always comes to
 * a verdict, and never calls a log sound whose records the station did not sign. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "lpa/audit_verify.h"
#include "tests/fuzz/log_key.h"

static const char *const names[] = { "000000000000.jsonl", "signed", "checkpoint" };

#define NAMES (sizeof(names) / sizeof(names[0]))

static void file_path(size_t index, char ret_path[64])
{
    (void)snprintf(ret_path, 64, "/dev/shm/lpa-fuzz-log-%d/%s", (int)getpid(), names[index]);
}

/* Plain writes: what is fuzzed is the reading. */
static void write_parts(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < NAMES; i++) {
        char path[64];
        const uint8_t *end = i + 1 == NAMES || size == 0 ? NULL : memchr(data, 0, size);
        size_t length = end == NULL ? size : (size_t)(end - data);
        file_path(i, path);
        FILE *file = fopen(path, "we");
        FUZZ_CHECK(file != NULL);
        FUZZ_CHECK(length == 0 || fwrite(data, 1, length, file) == length);
        FUZZ_CHECK(fclose(file) == 0);
        size -= end == NULL ? length : length + 1;
        data += end == NULL ? length : length + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_note_key key = { 0 };
    struct lpa_audit_report report = { 0 };
    struct base_err err = { 0 };
    char folder[64];
    (void)snprintf(folder, sizeof(folder), "/dev/shm/lpa-fuzz-log-%d", (int)getpid());
    FUZZ_CHECK(base_file_make_folder(folder, NULL) == BASE_OK);
    log_key_make(&key);
    write_parts(data, size);
    const struct lpa_audit_verify_opts opts = { .folder = folder, .station = &key.verifier };
    if (lpa_audit_verify(&opts, &report, &err) == BASE_OK) {
        FUZZ_CHECK(report.verdict == LPA_AUDIT_OK || report.reason[0] != '\0');
        FUZZ_CHECK(report.verdict == LPA_AUDIT_TAMPERED || report.signed_size <= report.records);
        lpa_audit_report_done(&report);
    } else {
        FUZZ_CHECK(err.message[0] != '\0');
    }
    for (size_t i = 0; i < NAMES; i++) {
        char path[64];
        file_path(i, path);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    base_note_key_done(&key);
    return 0;
}
