/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: signed notes, checkpoints, note keys. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/note.h"

static const char *const vkeys[] = {
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
};

static void check_key(const char *text)
{
    struct base_note_verifier verifier;
    char again[BASE_NOTE_VKEY_SIZE];
    if (base_note_verifier_parse(text, &verifier, NULL) == BASE_OK) {
        base_note_verifier_format(&verifier, again);
        FUZZ_CHECK(strcmp(text, again) == 0);
    }
}

static void check_checkpoint(const uint8_t *data, size_t size)
{
    struct base_checkpoint checkpoint;
    struct base_buf body;
    if (base_checkpoint_parse(data, size, &checkpoint, NULL) != BASE_OK) {
        return;
    }
    base_buf_init(&body, 1024);
    FUZZ_CHECK(base_checkpoint_format(&checkpoint, &body, NULL) == BASE_OK);
    FUZZ_CHECK(body.length == size && memcmp(body.data, data, size) == 0);
    base_buf_done(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_note_verifier verifiers[2];
    struct base_note_opened opened;
    struct base_err err = { 0 };
    for (size_t i = 0; i < 2; i++) {
        FUZZ_CHECK(base_note_verifier_parse(vkeys[i], &verifiers[i], NULL) == BASE_OK);
    }
    if (base_note_open(data, size, verifiers, 2, &opened, &err) == BASE_OK) {
        FUZZ_CHECK(opened.body_length > 0 && opened.body_length < size && opened.valid_count > 0);
        check_checkpoint(data, opened.body_length);
    } else {
        FUZZ_CHECK(err.message[0] != '\0');
    }
    check_checkpoint(data, size);
    char text[BASE_NOTE_VKEY_SIZE * 2];
    if (size < sizeof(text)) {
        memcpy(text, data, size);
        text[size] = '\0';
        check_key(text);
    }
    return 0;
}
