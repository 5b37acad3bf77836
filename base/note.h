/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_NOTE_H
#define BASE_NOTE_H

/**
 * @file
 * Signed notes and log checkpoints in the public C2SP formats signed-note, tlog-checkpoint and
 * tlog-cosignature: text that other people's tools verify too. Every parser here takes hostile
 * input.
 *
 * A note is a body (lines of UTF-8 without control characters, the last ends with a newline), an
 * empty line, and signature lines "— NAME BASE64\n". A checkpoint is a note whose body is origin,
 * tree size and base64 root hash, one a line; extension lines are refused.
 */

#include "base/buf.h"
#include "base/merkle.h"
#include "base/random.h"
#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

#define BASE_NOTE_NAME_SIZE      128   /**< key name or origin with its NUL */
#define BASE_NOTE_VKEY_SIZE      256   /**< verifier key text with its NUL */
#define BASE_NOTE_MAX_BYTES      16384 /**< longer notes are refused unread */
#define BASE_NOTE_SIGNATURES_MAX 16
#define BASE_NOTE_VERIFIERS_MAX  16

enum base_note_type {
    BASE_NOTE_ED25519 = 0x01,     /**< the body is signed as it stands */
    BASE_NOTE_COSIGNATURE = 0x04, /**< "cosignature/v1\ntime T\n" and the body are signed */
};

/** Public half of a note key. */
struct base_note_verifier {
    char name[BASE_NOTE_NAME_SIZE];
    enum base_note_type type;
    uint8_t key_id[4]; /**< SHA-256(name, "\n", type, public key), first four bytes */
    uint8_t public_key[32];
};

/** Fill @p ret_verifier. BASE_E_ARG: a name with spaces, plus signs, control characters, or too
 * long. */
BASE_MUST_CHECK
enum base_status base_note_verifier_init(const char *name, enum base_note_type type,
    const uint8_t public_key[32], struct base_note_verifier *ret_verifier, struct base_err *err);

/** Parse "NAME+8HEX+BASE64". BASE_E_ARG when it is malformed or its key id does not fit its key. */
BASE_MUST_CHECK
enum base_status base_note_verifier_parse(
    const char *text, struct base_note_verifier *ret_verifier, struct base_err *err);

void base_note_verifier_format(
    const struct base_note_verifier *verifier, char ret_text[BASE_NOTE_VKEY_SIZE]);

/** Something that signs: a file-held key below, or a token. */
struct base_note_signer {
    struct base_note_verifier verifier;
    /** Ed25519 signature of @p message. */
    enum base_status (*sign)(void *user, const void *message, size_t length,
        uint8_t ret_signature[64], struct base_err *err);
    void *user; /**< borrowed */
};

/** A note key in this process. All zero = empty. */
struct base_note_key {
    struct base_note_verifier verifier;
    struct base_secret seed; /**< Ed25519 private key, 32 bytes */
};

/** Wipe; accepts NULL. */
void base_note_key_done(struct base_note_key *key);

BASE_MUST_CHECK
enum base_status base_note_key_generate(const char *name, enum base_note_type type,
    const struct base_random *random, struct base_note_key *ret_key, struct base_err *err);

/** Parse "PRIVATE+KEY+NAME+8HEX+BASE64"; trailing line ends are ignored. */
BASE_MUST_CHECK
enum base_status base_note_key_parse(
    const struct base_secret *text, struct base_note_key *ret_key, struct base_err *err);

/** The private text form in a secret. */
BASE_MUST_CHECK
enum base_status base_note_key_format(
    const struct base_note_key *key, struct base_secret *ret_text, struct base_err *err);

/** Read or write a private key file, mode 0600. */
BASE_MUST_CHECK
enum base_status base_note_key_load(
    const char *path, struct base_note_key *ret_key, struct base_err *err);
BASE_MUST_CHECK
enum base_status base_note_key_store(
    const struct base_note_key *key, const char *path, struct base_err *err);

/** The key as a signer; borrows @p key. */
void base_note_key_signer(const struct base_note_key *key, struct base_note_signer *ret_signer);

/**
 * Append one signature line (with its newline) for @p body to @p line.
 *
 * @param body    ends with a newline, no empty line in it
 * @param time_s  seconds since the Unix epoch; used by BASE_NOTE_COSIGNATURE only
 */
BASE_MUST_CHECK
enum base_status base_note_sign_line(const struct base_note_signer *signer, const char *body,
    size_t body_length, uint64_t time_s, struct base_buf *line, struct base_err *err);

/** Append a whole note: body, empty line, one signature line. More lines may be appended after. */
BASE_MUST_CHECK
enum base_status base_note_sign(const struct base_note_signer *signer, const char *body,
    size_t body_length, uint64_t time_s, struct base_buf *note, struct base_err *err);

/** What base_note_open() found, by the caller's verifiers. */
struct base_note_opened {
    size_t body_length; /**< the body is the note's first bytes, its last newline included */
    size_t valid_count;

    struct {
        bool valid;
        uint64_t time_s;           /**< cosignatures: when it was signed; else 0 */
    } by[BASE_NOTE_VERIFIERS_MAX]; /**< in the order of the verifiers given */
};

/**
 * Parse a note and check the signatures of the given keys. Lines of other keys are ignored.
 *
 * @param verifiers  1 … BASE_NOTE_VERIFIERS_MAX
 *
 * @return BASE_OK        at least one of the keys signed, and no signature of any of them is wrong
 *         BASE_E_PROTO   not a note
 *         BASE_E_VERIFY  none of the keys signed, or a signature of one of them is wrong
 *         BASE_E_ARG     number of verifiers
 */
BASE_MUST_CHECK
enum base_status base_note_open(const void *note, size_t length,
    const struct base_note_verifier *verifiers, size_t verifier_count,
    struct base_note_opened *ret_opened, struct base_err *err);

struct base_checkpoint {
    char origin[BASE_NOTE_NAME_SIZE];
    struct base_merkle_head head;
};

/** Append the three lines of a checkpoint's body. BASE_E_ARG: bad origin. */
BASE_MUST_CHECK
enum base_status base_checkpoint_format(
    const struct base_checkpoint *checkpoint, struct base_buf *body, struct base_err *err);

/** Parse a checkpoint's body. BASE_E_PROTO when it is anything else. */
BASE_MUST_CHECK
enum base_status base_checkpoint_parse(
    const void *body, size_t length, struct base_checkpoint *ret_checkpoint, struct base_err *err);

#endif
