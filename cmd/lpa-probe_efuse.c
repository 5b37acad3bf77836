/* SPDX-License-Identifier: Apache-2.0 */
/* Verb efuse: read, plan, blow. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/permit.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/note.h"
#include "cmd/lpa-probe_session.h"
#include "device-fw/protocol/layout.h"
#include "programmer/kitprog.h"
#include "programmer/psoc6_secure.h"

#define IMAGE_MAX   0x100000U
#define LINE_SIZE   64
#define CHIP_DIGITS (2 * PRG_PSOC6_UID_SIZE)

_Static_assert((unsigned)PRG_ACT_REHEARSE == AUTH_ACT_REHEARSE &&
                   (unsigned)PRG_ACT_RESTRICT == AUTH_ACT_RESTRICT &&
                   (unsigned)PRG_ACT_LOCK == AUTH_ACT_LOCK &&
                   (unsigned)PRG_ACT_EFUSE == AUTH_ACT_EFUSE &&
                   (unsigned)PRG_ACT_ZEROISE == AUTH_ACT_ZEROISE &&
                   (unsigned)PRG_ACT_SETTLE == AUTH_ACT_SETTLE,
    "the acts of a permit are copied as they are");

/* ---------------------------------------------------------------------------------------- read */

static enum base_status tell_fuse(
    struct probe_session *session, unsigned byte, struct base_err *err)
{
    uint8_t value = 0;
    char key[8];
    struct base_err cause = { .status = BASE_OK };
    enum base_status status = prg_psoc6_read_fuse(session->chip, byte, &value, &cause);
    (void)snprintf(key, sizeof(key), "%02x", byte);
    if (status == BASE_OK) {
        probe_session_count(session, key, value);
        probe_session_say(session, "%s  %02x", key, value);
        return BASE_OK;
    }
    if (status == BASE_E_TARGET && strcmp(cause.domain, "SROM") == 0) {
        (void)json_object_set_new(session->result, key, json_null());
        probe_session_say(session, "%s  --  %s", key, prg_psoc6_srom_text((uint32_t)cause.detail));
        return BASE_OK;
    }
    *err = cause;
    return status;
}

static enum base_status read_fuses(struct probe_session *session, struct base_err *err)
{
    uint32_t first = 0;
    uint32_t count = PRG_PSOC6_FUSE_BYTES;
    enum base_status status = BASE_OK;
    if (session->word_count > 0) {
        count = 1;
        status = probe_session_number(session->words[0], "fuse byte", &first, err);
    }
    if (status == BASE_OK && session->word_count > 1) {
        status = probe_session_number(session->words[1], "count", &count, err);
    }
    if (status == BASE_OK &&
        (first >= PRG_PSOC6_FUSE_BYTES || count > PRG_PSOC6_FUSE_BYTES - first)) {
        return base_err_set(
            err, BASE_E_ARG, "argument", first, "fuse bytes are 0 to %u", PRG_PSOC6_FUSE_BYTES - 1);
    }
    if (status == BASE_OK) {
        status = probe_session_acquire(session, err);
    }
    for (uint32_t i = 0; i < count && status == BASE_OK; i++) {
        status = tell_fuse(session, first + i, err);
    }
    return status == BASE_OK ? probe_session_release(session, err) : status;
}

/* ---------------------------------------------------------------------------------------- plan */

static enum base_status load_target(
    const struct probe_session *session, struct prg_psoc6_target *ret_target, struct base_err *err)
{
    static const uint8_t restrictions[PRG_PSOC6_RESTRICT_BYTES] = PROTO_RESTRICT_REQUIRED;
    struct base_buf image;
    struct base_buf key;
    base_buf_init(&image, IMAGE_MAX);
    base_buf_init(&key, PRG_PSOC6_KEY_SIZE);
    enum base_status status = base_file_read(session->words[1], &image, err);
    if (status == BASE_OK) {
        status = base_file_read(session->words[2], &key, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_target_make(
            image.data, image.length, key.data, key.length, restrictions, ret_target, err);
    }
    base_buf_done(&image);
    base_buf_done(&key);
    return status;
}

static void tell_plan(struct probe_session *session, const struct prg_psoc6_target *target,
    const struct prg_psoc6_plan *plan)
{
    char hash[2 * PRG_SECURE_HASH_SIZE + 1];
    json_t *fuses = json_array();
    base_hex_encode(target->secure_hash, sizeof(target->secure_hash), hash);
    probe_session_text(session, "secure_hash", hash);
    probe_session_count(session, "zeros", target->zeros);
    probe_session_count(session, "already", (int64_t)plan->already);
    (void)json_object_set_new(session->result, "blow", fuses);
    for (size_t i = 0; i < plan->count; i++) {
        const struct prg_psoc6_fuse *fuse = &plan->fuses[i];
        (void)json_array_append_new(fuses,
            json_pack("{s:i, s:i, s:s}", "byte", fuse->byte, "bit", fuse->bit, "name", fuse->name));
        probe_session_say(session, "%02x.%u  %s", fuse->byte, fuse->bit, fuse->name);
    }
    probe_session_say(session, "%zu to blow, %zu blown already; SECURE_HASH %s with %u zero bits",
        plan->count, plan->already, hash, target->zeros);
}

/* What lpa-provision would blow on this board for this image: nothing is written. */
static enum base_status plan_fuses(struct probe_session *session, struct base_err *err)
{
    struct prg_psoc6_target target;
    struct prg_psoc6_plan plan;
    uint8_t fuses[PRG_PSOC6_FUSE_BYTES];
    if (session->word_count != 3) {
        return base_err_set(err, BASE_E_ARG, "argument", session->word_count,
            "say \"efuse plan IMAGE KEY\", with the signed image and the key object that lpa-image "
            "wrote");
    }
    enum base_status status = load_target(session, &target, err);
    if (status == BASE_OK) {
        status = probe_session_acquire(session, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_read_secure_fuses(session->chip, fuses, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_secure_plan(&target, fuses, &plan, err);
    }
    if (status == BASE_OK) {
        tell_plan(session, &target, &plan);
        status = probe_session_release(session, err);
    }
    return status;
}

/* ---------------------------------------------------------------------------------------- blow */

/* The first line of what `lpa-kms authority --log` prints is the key that signs permits. */
static enum base_status load_permit(
    const struct probe_session *session, struct prg_permit *ret_permit, struct base_err *err)
{
    struct auth_permit given;
    struct prg_permit permit = { .id = "" };
    struct base_buf note;
    struct base_buf keys;
    base_buf_init(&note, AUTH_NOTE_MAX);
    base_buf_init(&keys, AUTH_NOTE_MAX);
    enum base_status status = base_file_read(session->permit, &note, err);
    if (status == BASE_OK) {
        status = base_file_read(session->kms_key, &keys, err);
    }
    const char *text = status == BASE_OK ? base_buf_text(&keys) : NULL;
    if (status == BASE_OK) {
        char key[BASE_NOTE_VKEY_SIZE];
        size_t length = text == NULL ? 0 : strcspn(text, "\r\n");
        (void)snprintf(key, sizeof(key), "%.*s", (int)length, length == 0 ? "" : text);
        status = auth_permit_parse((const char *)note.data, note.length, key,
            base_clock_wall_us(base_clock_system()), &given, err);
    }
    base_buf_done(&note);
    base_buf_done(&keys);
    if (status != BASE_OK) {
        return status;
    }
    (void)snprintf(permit.id, sizeof(permit.id), "%s", given.id);
    permit.acts = given.acts;
    permit.for_chip = given.for_chip;
    memcpy(permit.chip_id, given.chip_id, sizeof(permit.chip_id));
    memcpy(permit.image_sha256, given.image_sha256, sizeof(permit.image_sha256));
    memcpy(permit.key_sha256, given.key_sha256, sizeof(permit.key_sha256));
    memcpy(permit.secure_hash, given.secure_hash, sizeof(permit.secure_hash));
    *ret_permit = permit;
    return BASE_OK;
}

/* Everything that can be refused without a probe. */
static enum base_status may_blow(
    const struct probe_session *session, struct prg_permit *ret_permit, struct base_err *err)
{
    if (session->permit == NULL || session->kms_key == NULL) {
        (void)base_err_set(err, BASE_E_DENIED, "argument", 0,
            "blowing a fuse cannot be undone: it needs --permit FILE, --kms-key FILE and a typed "
            "confirmation on a terminal; nothing was done");
        base_err_set_code(err, "permit");
        return BASE_E_DENIED;
    }
    if (isatty(STDIN_FILENO) != 1) {
        (void)base_err_set(err, BASE_E_DENIED, "argument", 0,
            "blowing a fuse cannot be undone: a person has to confirm it on a terminal, and this "
            "input is none; nothing was done");
        base_err_set_code(err, "no_terminal");
        return BASE_E_DENIED;
    }
    return load_permit(session, ret_permit, err);
}

/* A person types which chip it is. */
static enum base_status confirm(const struct prg_psoc6_fuse *fuse, const char *chip, bool measured,
    const struct prg_permit *permit, struct base_err *err)
{
    char line[LINE_SIZE];
    (void)fprintf(stderr,
        "Fuse byte %02x bit %u, %s, of chip %s reads 0.\n%s"
        "Blowing it by permit %s cannot be undone. Type the chip's id to do it: ",
        fuse->byte, fuse->bit, fuse->name, chip,
        measured ? ""
                 : "This probe cannot measure the supply, which has to be 2.5 V at VDDIO0 now.\n",
        permit->id);
    (void)fflush(stderr);
    bool got = fgets(line, sizeof(line), stdin) != NULL;
    line[got ? strcspn(line, "\n") : 0] = '\0';
    return strcmp(line, chip) == 0
               ? BASE_OK
               : base_err_set(err, BASE_E_CANCELLED, "argument", 0,
                     "what was typed is not this chip's id; no fuse was touched");
}

static void tell_blown(struct probe_session *session, const struct prg_psoc6_fuse *fuse,
    const struct prg_permit *permit, uint8_t before, uint8_t after)
{
    bool blown = before != after;
    probe_session_text(session, "name", fuse->name);
    probe_session_text(session, "permit", permit->id);
    probe_session_count(session, "before", before);
    probe_session_count(session, "after", after);
    (void)json_object_set_new(session->result, "blown", json_boolean(blown));
    probe_session_say(session, "%s %s: fuse byte %02x reads %02x now", fuse->name,
        blown ? "is blown" : "was blown already", fuse->byte, after);
}

/* Everything that can be refused with a look at the chip, the person at the terminal last. */
static enum base_status may_blow_here(struct probe_session *session,
    const struct prg_permit *permit, const struct prg_psoc6_fuse *fuse, uint8_t *ret_before,
    struct base_err *err)
{
    struct prg_psoc6_info info;
    uint8_t before = 0;
    char chip[CHIP_DIGITS + 1];
    bool measured = prg_kitprog_offered(session->link);
    enum base_status status = prg_psoc6_identify(session->chip, &info, err);
    if (status == BASE_OK) {
        base_hex_encode(info.unique_id, sizeof(info.unique_id), chip);
        probe_session_text(session, "unique_id", chip);
        status = prg_permit_check_chip(permit, info.unique_id, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_read_fuse(session->chip, fuse->byte, &before, err);
    }
    if (status == BASE_OK && (before >> fuse->bit & 1U) == 0) {
        status = measured ? prg_psoc6_check_fuse_supply(session->link, err) : BASE_OK;
        status = status == BASE_OK ? confirm(fuse, chip, measured, permit, err) : status;
    }
    if (status == BASE_OK) {
        *ret_before = before;
    }
    return status;
}

/* Read it first, ask, blow, read it again: no other bit of the byte may have changed. */
static enum base_status blow_bit(struct probe_session *session, const struct prg_permit *permit,
    const struct prg_psoc6_fuse *fuse, struct base_err *err)
{
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    uint8_t before = 0;
    uint8_t after = 0;
    enum base_status status = may_blow_here(session, permit, fuse, &before, err);
    if (status == BASE_OK) {
        status = prg_psoc6_blow_fuse(session->chip, permit, fuse->byte, fuse->bit, &change, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_read_fuse(session->chip, fuse->byte, &after, err);
    }
    if (status == BASE_OK && after != (before | 1U << fuse->bit)) {
        status = base_err_set(err, BASE_E_VERIFY, "fuse", after,
            "fuse byte %02x was %02x and is %02x: another bit than the one asked for changed",
            fuse->byte, before, after);
    }
    if (status == BASE_OK) {
        tell_blown(session, fuse, permit, before, after);
    }
    return status;
}

static enum base_status blow_fuse(struct probe_session *session, struct base_err *err)
{
    struct prg_permit permit;
    struct prg_psoc6_fuse fuse;
    uint32_t byte = 0;
    uint32_t bit = 0;
    if (session->word_count != 3) {
        return base_err_set(err, BASE_E_ARG, "argument", session->word_count,
            "say \"efuse blow BYTE BIT\", one bit at a time");
    }
    enum base_status status = probe_session_number(session->words[1], "fuse byte", &byte, err);
    if (status == BASE_OK) {
        status = probe_session_number(session->words[2], "fuse bit", &bit, err);
    }
    if (status == BASE_OK && (byte >= PRG_PSOC6_FUSE_BYTES || bit > 7)) {
        return base_err_set(err, BASE_E_ARG, "argument", byte,
            "fuse bytes are 0 to %u, their bits 0 to 7", PRG_PSOC6_FUSE_BYTES - 1);
    }
    if (status == BASE_OK) {
        status = may_blow(session, &permit, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_fuse_permitted(&permit, byte, bit, err);
    }
    if (status == BASE_OK) {
        status = probe_session_acquire(session, err);
    }
    if (status == BASE_OK) {
        prg_psoc6_fuse_name(byte, bit, &fuse);
        status = blow_bit(session, &permit, &fuse, err);
    }
    return status == BASE_OK ? probe_session_release(session, err) : status;
}

int probe_efuse(const struct cli_program *program, int argc, char **argv)
{
    struct probe_session session;
    struct base_err err = { .status = BASE_OK };
    enum base_status status = probe_session_init(&session, program, argc, argv, 0, 3, &err);
    const char *word = status == BASE_OK && session.word_count > 0 ? session.words[0] : "";
    if (status == BASE_OK && strcmp(word, "plan") == 0) {
        (void)!plan_fuses(&session, &err);
    } else if (status == BASE_OK && strcmp(word, "blow") == 0) {
        (void)!blow_fuse(&session, &err);
    } else if (status == BASE_OK) {
        (void)!read_fuses(&session, &err);
    }
    return probe_session_end(&session, &err);
}
