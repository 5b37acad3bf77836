/* SPDX-License-Identifier: Apache-2.0 */
#include "base/note.h"

#include "base/base64.h"
#include "base/utf8.h"

#include <openssl/evp.h>
#include <string.h>

/* "— " in UTF-8: every signature line begins with it. */
static const char dash[] = "\xE2\x80\x94 ";

#define DASH_BYTES            (sizeof(dash) - 1)
#define SIGNATURE_BYTES       64
#define BLOB_MAX_BYTES        (4 + 8 + SIGNATURE_BYTES)
#define SIGNATURE_LINES_LIMIT 100 /* golang.org/x/mod's limit, too */

static bool is_note_text(const uint8_t *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t step = base_utf8_length(text + i, length - i);
        if (step == 0 || (text[i] < 0x20 && text[i] != '\n') || text[i] == 0x7F) {
            return false;
        }
        i += step;
    }
    return true;
}

/* A body must survive the trip: text, at least one line, no empty line at its end to be taken for
 * the separator. */
static bool is_body(const char *body, size_t length)
{
    return length > 1 && length <= BASE_NOTE_MAX_BYTES && body[length - 1] == '\n' &&
           is_note_text((const uint8_t *)body, length) && memmem(body, length, "\n\n", 2) == NULL &&
           body[0] != '\n';
}

/* What Ed25519 signs: the body, or the cosignature header and the body (tlog-cosignature). */
static enum base_status signed_message(const struct base_note_verifier *key, const void *body,
    size_t length, uint64_t time_s, struct base_buf *message, struct base_err *err)
{
    enum base_status status = BASE_OK;
    if (key->type == BASE_NOTE_COSIGNATURE) {
        status = base_buf_printf(
            message, err, "cosignature/v1\ntime %llu\n", (unsigned long long)time_s);
    }
    return status == BASE_OK ? base_buf_append(message, body, length, err) : status;
}

enum base_status base_note_sign_line(const struct base_note_signer *signer, const char *body,
    size_t body_length, uint64_t time_s, struct base_buf *line, struct base_err *err)
{
    if (!is_body(body, body_length)) {
        return base_err_set(err, BASE_E_ARG, "note", (int64_t)body_length,
            "a note's body is lines of text, the last ended, none of them empty");
    }
    struct base_buf message;
    base_buf_init(&message, BASE_NOTE_MAX_BYTES + 64);
    uint8_t blob[BLOB_MAX_BYTES];
    size_t used = sizeof(signer->verifier.key_id);
    memcpy(blob, signer->verifier.key_id, used);
    if (signer->verifier.type == BASE_NOTE_COSIGNATURE) {
        base_put_be64(blob + used, time_s);
        used += 8;
    }
    enum base_status status =
        signed_message(&signer->verifier, body, body_length, time_s, &message, err);
    if (status == BASE_OK) {
        status = signer->sign(signer->user, message.data, message.length, blob + used, err);
    }
    base_buf_done(&message);
    if (status == BASE_OK) {
        char text[BASE_BASE64_SIZE(BLOB_MAX_BYTES)];
        base_base64_encode(blob, used + SIGNATURE_BYTES, text);
        status = base_buf_printf(line, err, "%s%s %s\n", dash, signer->verifier.name, text);
    }
    return status;
}

enum base_status base_note_sign(const struct base_note_signer *signer, const char *body,
    size_t body_length, uint64_t time_s, struct base_buf *note, struct base_err *err)
{
    struct base_buf line;
    base_buf_init(&line, 1024);
    enum base_status status = base_note_sign_line(signer, body, body_length, time_s, &line, err);
    size_t before = note->length;
    if (status == BASE_OK) {
        status = base_buf_append(note, body, body_length, err);
    }
    if (status == BASE_OK) {
        status = base_buf_append(note, "\n", 1, err);
    }
    if (status == BASE_OK) {
        status = base_buf_append(note, line.data, line.length, err);
    }
    if (status != BASE_OK) {
        note->length = before;
    }
    base_buf_done(&line);
    return status;
}

static enum base_status not_a_note(struct base_err *err, const char *why)
{
    return base_err_set(err, BASE_E_PROTO, "note", 0, "the text is not a signed note: %s", why);
}

/* Bytes of the body, its last newline included: up to the last empty line (signature lines hold
 * none). 0 when there is none. */
static size_t find_body(const uint8_t *note, size_t length)
{
    for (size_t i = length; i >= 2; i--) {
        if (note[i - 1] == '\n' && note[i - 2] == '\n') {
            return i - 1;
        }
    }
    return 0;
}

/* One signature line "— NAME BASE64", borrowed, without its newline. */
struct signature_line {
    const char *name;
    size_t name_length;
    const char *blob;
    size_t blob_length;
};

static bool split_line(const char *text, size_t length, struct signature_line *ret_line)
{
    if (length <= DASH_BYTES || memcmp(text, dash, DASH_BYTES) != 0) {
        return false;
    }
    const char *name = text + DASH_BYTES;
    const char *space = memchr(name, ' ', length - DASH_BYTES);
    if (space == NULL || space == name) {
        return false;
    }
    *ret_line = (struct signature_line){ name, (size_t)(space - name), space + 1,
        (size_t)(text + length - space - 1) };
    return ret_line->blob_length > 0 && memchr(ret_line->blob, ' ', ret_line->blob_length) == NULL;
}

static bool verify_ed25519(
    const uint8_t key[32], const struct base_buf *message, const uint8_t signature[64])
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, 32);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok =
        pkey != NULL && ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
        EVP_DigestVerify(ctx, signature, SIGNATURE_BYTES, message->data, message->length) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return ok;
}

/* Check one decoded signature of a key that we know. */
static enum base_status check_signature(const struct base_note_verifier *key, const void *body,
    size_t body_length, const uint8_t *blob, size_t blob_length, uint64_t *ret_time_s,
    struct base_err *err)
{
    uint64_t time_s = 0;
    size_t at = 4;
    bool cosignature = key->type == BASE_NOTE_COSIGNATURE;
    bool ok = blob_length == 4 + SIGNATURE_BYTES + (cosignature ? 8U : 0U);
    if (ok && cosignature) {
        time_s = base_get_be64(blob + at);
        at += 8;
    }
    if (ok) {
        struct base_buf message;
        base_buf_init(&message, BASE_NOTE_MAX_BYTES + 64);
        enum base_status status = signed_message(key, body, body_length, time_s, &message, err);
        ok = status == BASE_OK && verify_ed25519(key->public_key, &message, blob + at);
        base_buf_done(&message);
        if (status != BASE_OK) {
            return status;
        }
    }
    if (!ok) {
        return base_err_set(err, BASE_E_VERIFY, "note", 0,
            "the signature of %s does not fit the note: it was changed", key->name);
    }
    *ret_time_s = time_s;
    return BASE_OK;
}

struct open_job {
    const uint8_t *note;
    const struct base_note_verifier *verifiers;
    size_t verifier_count;
    struct base_note_opened opened;
};

/* A line of an unknown key, and a second one of a known key, are ignored (signed-note). */
static enum base_status take_line(
    struct open_job *job, const struct signature_line *line, struct base_err *err)
{
    uint8_t blob[BLOB_MAX_BYTES];
    size_t length = 0;
    if (base_base64_decode(line->blob, line->blob_length, sizeof(blob), blob, &length, NULL) !=
            BASE_OK ||
        length < 5) {
        /* Longer than any signature that we know: another key's. */
        return line->blob_length > BASE_BASE64_SIZE(BLOB_MAX_BYTES) - 1
                   ? BASE_OK
                   : not_a_note(err, "a signature is not base64");
    }
    for (size_t i = 0; i < job->verifier_count; i++) {
        const struct base_note_verifier *key = &job->verifiers[i];
        if (job->opened.by[i].valid || strlen(key->name) != line->name_length ||
            memcmp(key->name, line->name, line->name_length) != 0 ||
            memcmp(key->key_id, blob, sizeof(key->key_id)) != 0) {
            continue;
        }
        enum base_status status = check_signature(
            key, job->note, job->opened.body_length, blob, length, &job->opened.by[i].time_s, err);
        if (status != BASE_OK) {
            return status;
        }
        job->opened.by[i].valid = true;
        job->opened.valid_count++;
    }
    return BASE_OK;
}

static enum base_status take_lines(
    struct open_job *job, const char *text, size_t length, struct base_err *err)
{
    for (size_t lines = 0; length > 0; lines++) {
        const char *end = memchr(text, '\n', length);
        struct signature_line line;
        if (end == NULL || lines == SIGNATURE_LINES_LIMIT ||
            !split_line(text, (size_t)(end - text), &line)) {
            return not_a_note(err, "a signature line is malformed");
        }
        enum base_status status = take_line(job, &line, err);
        if (status != BASE_OK) {
            return status;
        }
        length -= (size_t)(end - text) + 1;
        text = end + 1;
    }
    return BASE_OK;
}

enum base_status base_note_open(const void *note, size_t length,
    const struct base_note_verifier *verifiers, size_t verifier_count,
    struct base_note_opened *ret_opened, struct base_err *err)
{
    if (verifier_count == 0 || verifier_count > BASE_NOTE_VERIFIERS_MAX) {
        return base_err_set(err, BASE_E_ARG, "note", (int64_t)verifier_count,
            "a note is checked against 1 to %d keys, not %zu", BASE_NOTE_VERIFIERS_MAX,
            verifier_count);
    }
    if (length > BASE_NOTE_MAX_BYTES || !is_note_text(note, length)) {
        return not_a_note(err, "it is too long, or holds control characters or bad UTF-8");
    }
    struct open_job job = { note, verifiers, verifier_count, { 0 } };
    job.opened.body_length = find_body(note, length);
    if (job.opened.body_length < 2) {
        return not_a_note(err, "there is no empty line before the signatures");
    }
    const char *lines = (const char *)note + job.opened.body_length + 1;
    enum base_status status = take_lines(&job, lines, length - job.opened.body_length - 1, err);
    if (status == BASE_OK && job.opened.valid_count == 0) {
        status = base_err_set(err, BASE_E_VERIFY, "note", 0,
            "none of the known keys has signed the note (first one: %s)", verifiers[0].name);
    }
    if (status == BASE_OK) {
        *ret_opened = job.opened;
    }
    return status;
}

static bool origin_fits(const char *origin)
{
    size_t length = strnlen(origin, BASE_NOTE_NAME_SIZE);
    return length > 0 && length < BASE_NOTE_NAME_SIZE && strchr(origin, '\n') == NULL &&
           is_note_text((const uint8_t *)origin, length);
}

enum base_status base_checkpoint_format(
    const struct base_checkpoint *checkpoint, struct base_buf *body, struct base_err *err)
{
    if (!origin_fits(checkpoint->origin)) {
        return base_err_set(err, BASE_E_ARG, "checkpoint", 0,
            "the origin of a checkpoint is one line of 1 to %d bytes of text",
            BASE_NOTE_NAME_SIZE - 1);
    }
    char root[BASE_BASE64_SIZE(BASE_MERKLE_HASH_BYTES)];
    base_base64_encode(checkpoint->head.root, BASE_MERKLE_HASH_BYTES, root);
    return base_buf_printf(body, err, "%s\n%llu\n%s\n", checkpoint->origin,
        (unsigned long long)checkpoint->head.size, root);
}

/* Decimal without leading zeros (tlog-checkpoint). */
static bool parse_size(const char *text, size_t length, uint64_t *ret_size)
{
    if (length == 0 || length > 20 || (text[0] == '0' && length > 1)) {
        return false;
    }
    uint64_t size = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (size > (UINT64_MAX - digit) / 10) {
            return false;
        }
        size = size * 10 + digit;
    }
    *ret_size = size;
    return size <= (uint64_t)INT64_MAX;
}

enum base_status base_checkpoint_parse(
    const void *body, size_t length, struct base_checkpoint *ret_checkpoint, struct base_err *err)
{
    const char *lines[3];
    size_t lengths[3];
    const char *at = body;
    size_t left = length;
    for (size_t i = 0; i < 3; i++) {
        const char *end = left == 0 ? NULL : memchr(at, '\n', left);
        if (end == NULL) {
            return base_err_set(
                err, BASE_E_PROTO, "checkpoint", 0, "a checkpoint has three lines, not %zu", i);
        }
        lines[i] = at;
        lengths[i] = (size_t)(end - at);
        left -= lengths[i] + 1;
        at = end + 1;
    }
    struct base_checkpoint checkpoint = { 0 };
    size_t root_length = 0;
    if (left != 0 || lengths[0] >= sizeof(checkpoint.origin) ||
        memchr(lines[0], '\0', lengths[0]) != NULL ||
        !parse_size(lines[1], lengths[1], &checkpoint.head.size) ||
        base_base64_decode(lines[2], lengths[2], BASE_MERKLE_HASH_BYTES, checkpoint.head.root,
            &root_length, NULL) != BASE_OK ||
        root_length != BASE_MERKLE_HASH_BYTES) {
        return base_err_set(err, BASE_E_PROTO, "checkpoint", (int64_t)left,
            "a checkpoint is origin, size and base64 root hash, one a line, and nothing more");
    }
    memcpy(checkpoint.origin, lines[0], lengths[0]);
    if (!origin_fits(checkpoint.origin)) {
        return base_err_set(
            err, BASE_E_PROTO, "checkpoint", 0, "the checkpoint's origin is not a line of text");
    }
    *ret_checkpoint = checkpoint;
    return BASE_OK;
}
