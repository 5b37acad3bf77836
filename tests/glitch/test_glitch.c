/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One glitch in the processor while the real device image decides about keys: tests/glitch/run.h
 * says what a glitch is. Whether the device held is judged by what is in the chip.
 *
 *     test_glitch SCENARIO [planted|compared]
 *
 * Takes a quarter of the time LPA_SECONDS says (default 12; 0 = every point) and prints points done
 * of total. "planted" takes one guard out of the image: a glitch must then break it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "device-fw/bootloader/guard.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/protocol/image.h"
#include "sim/die.h"
#include "tests/glitch/run.h"
#include "tests/unit/device-fw/app_board.h"

#define BOOT_PS           (3000000U * SIM_PS_PER_US)
#define FUSE_SECURE       0x04U /* of the life cycle's byte */
#define PROTECTION_SECURE 3U
#define DEFAULT_SECONDS   12L
#define COMPARE_EVERY     20U
#define SHARE             4L /* a scenario takes that part of the time for an exhaustive harness */
#define RANDOM_POINTS     10000U
#define SEED              UINT64_C(20241201)
#define OLD_KEY           0x41
#define NEW_KEY           0x5A
/* Offsets in the record, device-fw/bootloader/record.h. */
#define STATE_AT         5U
#define KEY_VERSION_AT   20U
#define SEQUENCE_AT      8U
#define SECRET_AT        28U
#define DH_AT            133U
#define NONCE_AT         165U
#define NWK_AT           (BL_RECORD_INSTALLED_AT + 39U)
#define APP_AT           (BL_RECORD_INSTALLED_AT + 55U)
#define ENVELOPE_AT      (BL_RECORD_INSTALLED_AT + 71U)
#define RECEIPT_AT       (BL_RECORD_INSTALLED_AT + 103U)
#define APPLICATION_AT   320U
#define HASH_AT          476U
#define COMMIT_AT        508U
#define APPLICATION_SIZE 40U
#define LEAK_WINDOW      8U

struct lab {
    struct firmware firmware;
    struct app_board app;
    struct board board; /* that of app */
    struct proto_statement statement;
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    uint8_t old_home[PROTO_VAULT_HOME_SIZE];
    uint64_t cm4_steps; /* before */
};

static struct lab lab;

/* ---- looking into the chip ---- */

static void read_home(
    const struct sim_chip *chip, unsigned home, uint8_t ret_row[PROTO_VAULT_HOME_SIZE])
{
    assert_true(sim_chip_test_read(
        chip, home == 0 ? PROTO_VAULT_HOME_0 : PROTO_VAULT_HOME_1, ret_row, PROTO_VAULT_HOME_SIZE));
}

/* What the next boot believes. */
static bool is_valid(const uint8_t row[PROTO_VAULT_HOME_SIZE])
{
    static const uint8_t commit[4] = { 'C', 'o', 'M', 't' };
    uint8_t hash[PROTO_HASH_SIZE];

    base_sha256(row, HASH_AT, hash);
    return memcmp(row, "LPAV", 4) == 0 && memcmp(row + COMMIT_AT, commit, sizeof(commit)) == 0 &&
           memcmp(row + HASH_AT, hash, sizeof(hash)) == 0;
}

static bool is_answered(void *user, const struct sim_chip *chip)
{
    uint8_t word[4];

    (void)user;
    if (!sim_chip_test_read(
            chip, PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_RSP_SEQUENCE_AT, word, sizeof(word)))
        return false;
    return base_get_le32(word) == lab.board.sequence &&
           sim_chip_test_core(chip, SIM_AP_CM0).sleeping;
}

/* Eight bytes of a secret in the mailbox. */
static bool leaks(const struct sim_chip *chip)
{
    uint8_t mailbox[PROTO_MAILBOX_SIZE];
    uint8_t secrets[6][32] = { { 0 } };

    (void)sim_chip_test_read(chip, PROTO_MAILBOX_ADDRESS, mailbox, sizeof(mailbox));
    memcpy(secrets[0], lab.old_home + SECRET_AT, 32);
    memcpy(secrets[1], lab.old_home + DH_AT, 32);
    memcpy(secrets[2], lab.old_home + RECEIPT_AT, 32);
    memcpy(secrets[3], lab.receipt_key, 32);
    memset(secrets[4], OLD_KEY, PROTO_ROOT_KEY_SIZE);
    memset(secrets[5], NEW_KEY, PROTO_ROOT_KEY_SIZE);
    for (unsigned i = 0; i < 6; i++) {
        for (unsigned at = 0; at + LEAK_WINDOW <= 32; at += 4) {
            static const uint8_t zeros[LEAK_WINDOW];

            if (memcmp(secrets[i] + at, zeros, LEAK_WINDOW) != 0 &&
                memmem(mailbox, sizeof(mailbox), secrets[i] + at, LEAK_WINDOW) != NULL)
                return true;
        }
    }
    return false;
}

/* The record must be the one from before the command. */
static enum verdict judge_refused(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[2][PROTO_VAULT_HOME_SIZE];
    bool old[2];

    (void)user;
    for (unsigned i = 0; i < 2; i++) {
        read_home(chip, i, row[i]);
        old[i] = memcmp(row[i], lab.old_home, sizeof(row[i])) == 0;
        if (!old[i] && is_valid(row[i])) {
            *ret_why = "another record is in the vault";
            return VERDICT_BROKEN;
        }
    }
    if (leaks(chip)) {
        *ret_why = "a secret is in the mailbox";
        return VERDICT_BROKEN;
    }
    if (old[0] || old[1])
        return VERDICT_HELD;
    *ret_why = "no record is left";
    return VERDICT_DAMAGED;
}

/* Old or new as a whole, and no receipt without the new one. */
static bool is_new(const uint8_t row[PROTO_VAULT_HOME_SIZE])
{
    uint8_t expected[PROTO_VAULT_HOME_SIZE];
    uint8_t hash[PROTO_HASH_SIZE];
    const uint8_t *header = lab.envelope;
    struct proto_envelope envelope;

    (void)header;
    assert_int_equal(
        proto_envelope_decode(lab.envelope, sizeof(lab.envelope), &envelope), PROTO_OK);
    base_sha256(lab.envelope, sizeof(lab.envelope), hash);
    memcpy(expected, row, sizeof(expected));
    memcpy(expected, lab.old_home, NONCE_AT);
    expected[STATE_AT] = PROTO_VAULT_COMMITTED;
    memcpy(expected + 8, row + 8, 4); /* sequence */
    base_put_be32(expected + KEY_VERSION_AT, envelope.header.key_version);
    memset(expected + NWK_AT, 0, PROTO_ROOT_KEY_SIZE);
    memset(expected + APP_AT, NEW_KEY, PROTO_ROOT_KEY_SIZE);
    memcpy(expected + ENVELOPE_AT, hash, sizeof(hash));
    memcpy(expected + RECEIPT_AT, lab.receipt_key, PROTO_HASH_SIZE);
    return memcmp(expected, row, sizeof(expected)) == 0 &&
           memcmp(row + NONCE_AT, lab.old_home + NONCE_AT, PROTO_NONCE_SIZE) != 0;
}

static bool gave_receipt(const struct sim_chip *chip)
{
    uint8_t answer[PROTO_RECEIPT_SIZE];
    uint8_t mac[PROTO_MAC_SIZE];
    struct base_part body = { answer, PROTO_RECEIPT_BODY_SIZE };

    (void)sim_chip_test_read(
        chip, PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_RSP_PAYLOAD_AT, answer, sizeof(answer));
    base_hmac_sha256(lab.receipt_key, sizeof(lab.receipt_key), &body, 1, mac);
    return memcmp(mac, answer + PROTO_RECEIPT_BODY_SIZE, sizeof(mac)) == 0;
}

static enum verdict judge_commit(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[2][PROTO_VAULT_HOME_SIZE];
    bool good[2];
    bool fresh[2];

    (void)user;
    for (unsigned i = 0; i < 2; i++) {
        read_home(chip, i, row[i]);
        fresh[i] = is_new(row[i]);
        good[i] = fresh[i] || memcmp(row[i], lab.old_home, sizeof(row[i])) == 0;
        if (!good[i] && is_valid(row[i])) {
            *ret_why = "a record that is neither old nor new is in the vault";
            return VERDICT_BROKEN;
        }
    }
    if (leaks(chip)) {
        *ret_why = "a secret is in the mailbox";
        return VERDICT_BROKEN;
    }
    if (gave_receipt(chip) && !fresh[0] && !fresh[1]) {
        *ret_why = "a receipt without the record";
        return VERDICT_BROKEN;
    }
    if (good[0] || good[1])
        return VERDICT_HELD;
    *ret_why = "no record is left";
    return VERDICT_DAMAGED;
}

/* Locked or as before, and no lock answer unless locked. */
static bool is_locked(const uint8_t row[PROTO_VAULT_HOME_SIZE])
{
    uint8_t expected[PROTO_VAULT_HOME_SIZE];

    memcpy(expected, lab.old_home, HASH_AT);
    memcpy(expected + HASH_AT, row + HASH_AT, sizeof(expected) - HASH_AT);
    memcpy(expected + SEQUENCE_AT, row + SEQUENCE_AT, 4);
    expected[STATE_AT] = PROTO_VAULT_LOCKED;
    memset(expected + RECEIPT_AT, 0, PROTO_HASH_SIZE);
    return memcmp(expected, row, sizeof(expected)) == 0 && is_valid(row);
}

static bool gave_lock_answer(const struct sim_chip *chip)
{
    static const char label[] = PROTO_LABEL_LOCK;
    uint8_t answer[PROTO_LOCK_ANSWER_SIZE];
    uint8_t key[PROTO_MAC_SIZE];
    uint8_t mac[PROTO_MAC_SIZE];
    struct base_part name = { label, sizeof(label) - 1 };
    struct base_part body = { answer, PROTO_LOCK_BODY_SIZE };

    (void)sim_chip_test_read(
        chip, PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_RSP_PAYLOAD_AT, answer, sizeof(answer));
    base_hmac_sha256(lab.old_home + RECEIPT_AT, PROTO_HASH_SIZE, &name, 1, key);
    base_hmac_sha256(key, sizeof(key), &body, 1, mac);
    return memcmp(mac, answer + PROTO_LOCK_BODY_SIZE, sizeof(mac)) == 0;
}

static enum verdict judge_lock(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[2][PROTO_VAULT_HOME_SIZE];
    bool locked[2];
    bool good[2];

    (void)user;
    for (unsigned i = 0; i < 2; i++) {
        read_home(chip, i, row[i]);
        locked[i] = is_locked(row[i]);
        good[i] = locked[i] || memcmp(row[i], lab.old_home, sizeof(row[i])) == 0;
        if (!good[i] && is_valid(row[i])) {
            *ret_why = "a record that is neither old nor locked is in the vault";
            return VERDICT_BROKEN;
        }
    }
    if (leaks(chip)) {
        *ret_why = "a secret is in the mailbox";
        return VERDICT_BROKEN;
    }
    if (gave_lock_answer(chip) && !(locked[0] && locked[1])) {
        *ret_why = "a lock answer, and the record is not locked";
        return VERDICT_BROKEN;
    }
    if (good[0] || good[1])
        return VERDICT_HELD;
    *ret_why = "no record is left";
    return VERDICT_DAMAGED;
}

/* No record may come to be. */
static enum verdict judge_no_identity(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[PROTO_VAULT_HOME_SIZE];

    (void)user;
    for (unsigned i = 0; i < 2; i++) {
        read_home(chip, i, row);
        if (is_valid(row)) {
            *ret_why = "an identity with the port open";
            return VERDICT_BROKEN;
        }
    }
    return VERDICT_HELD;
}

static enum verdict judge_shut(void *user, const struct sim_chip *chip, const char **ret_why)
{
    (void)user;
    for (enum sim_ap ap = SIM_AP_SYS; ap < SIM_AP_COUNT; ap++) {
        if (sim_chip_ap_enabled(chip, ap)) {
            *ret_why = "an access port is enabled";
            return VERDICT_BROKEN;
        }
    }
    return VERDICT_HELD;
}

static uint64_t cm4_steps(const struct sim_chip *chip)
{
    return sim_chip_test_core(chip, SIM_AP_CM4).instructions;
}

/* The CM4 is off and the record names no other application than before. */
static enum verdict judge_not_started(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[PROTO_VAULT_HOME_SIZE];

    (void)user;
    if ((chip->regs.cm4_pwr_ctl & 3U) == 3U || cm4_steps(chip) > lab.cm4_steps) {
        *ret_why = "the CM4 runs";
        return VERDICT_BROKEN;
    }
    for (unsigned i = 0; i < 2; i++) {
        read_home(chip, i, row);
        if (is_valid(row) &&
            memcmp(row + APPLICATION_AT, lab.old_home + APPLICATION_AT, APPLICATION_SIZE) != 0) {
            *ret_why = "the record names another application";
            return VERDICT_BROKEN;
        }
    }
    return VERDICT_HELD;
}

static bool is_asleep(void *user, const struct sim_chip *chip)
{
    (void)user;
    return sim_chip_test_core(chip, SIM_AP_CM0).sleeping;
}

/* ---- scenarios ---- */

static void seal(uint32_t key_version, const struct proto_envelope_header *changed)
{
    struct proto_envelope_header header =
        authority_header(&lab.board.authority, &lab.statement, key_version);
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };

    if (changed != NULL)
        header = *changed;
    memset(plain + PROTO_ROOT_KEY_SIZE, NEW_KEY, PROTO_ROOT_KEY_SIZE);
    authority_seal(&lab.board.authority, &header, lab.statement.public_key, plain, lab.envelope,
        lab.receipt_key);
}

static void install(uint32_t key_version)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    size_t length = 0;

    board_seal(&lab.board, &lab.statement, key_version, OLD_KEY, envelope, receipt_key);
    assert_int_equal(
        board_ask(&lab.board, PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length),
        PROTO_OK);
    board_identify(&lab.board, &lab.statement);
}

static void setup_forged(void)
{
    seal(2, NULL);
    lab.envelope[PROTO_ENVELOPE_SIZE - 1] ^= 1;
}

/* The last one but one, whole. */
static void setup_replayed(void)
{
    seal(2, NULL);
    install(2);
}

static void setup_used_version(void)
{
    seal(1, NULL);
}

/* Everything is right but the chip's id; sealed for this chip's key, as no KMS would. */
static void setup_foreign(void)
{
    struct proto_envelope_header header = authority_header(&lab.board.authority, &lab.statement, 2);

    header.chip_id[7] ^= 1;
    seal(2, &header);
}

static void setup_wrong_nonce(void)
{
    struct proto_envelope_header header = authority_header(&lab.board.authority, &lab.statement, 2);

    header.nonce[3] ^= 0x10;
    seal(2, &header);
}

static void setup_good(void)
{
    seal(2, NULL);
}

/* The image that a factory uses, not one that works with the port open. */
static void bind_for_production(void)
{
    uint8_t *block = lab.board.image.data + PROTO_BINDING_OFFSET;
    struct proto_image image;

    assert_int_equal(
        proto_image_decode(lab.board.image.data, lab.board.image.length, &image), PROTO_OK);
    image.binding.flags = 0;
    proto_binding_encode(&image.binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
    assert_true(sim_chip_test_write(
        lab.board.chip, PROTO_IMAGE_ADDRESS + PROTO_BINDING_OFFSET, block, PROTO_BINDING_SIZE));
}

static void install_envelope(void)
{
    board_begin(&lab.board, PROTO_CMD_INSTALL, lab.envelope, sizeof(lab.envelope));
}

static void setup_lock(void)
{
    board_begin(&lab.board, PROTO_CMD_LOCK, NULL, 0);
}

/* Power on, up to the image's first instruction. */
static void begin_boot(void)
{
    sim_chip_set_power(lab.board.chip, false);
    sim_chip_set_power(lab.board.chip, true);
    lab.board.sequence = 0;
    assert_true(
        sim_chip_test_run_to(lab.board.chip, firmware_symbol(&lab.firmware, "bl_reset", NULL),
            sim_chip_time_ps(lab.board.chip) + BOOT_PS));
}

/* The die as flash boot hands it over in SECURE: port shut, pins off. That the ROM verifies the
 * image before is the simulator's business (tests/unit/sim) and not disturbed here. */
static void begin_secure_boot(const uint8_t restrictions[PROTO_RESTRICT_SIZE])
{
    struct sim_chip *chip = lab.board.chip;

    begin_boot();
    memcpy(chip->nvm.efuse + BL_FUSE_DEAD_RESTRICT0, restrictions, PROTO_RESTRICT_SIZE);
    chip->nvm.efuse[BL_FUSE_LIFECYCLE] |= FUSE_SECURE;
    chip->regs.protection = PROTECTION_SECURE;
    chip->regs.ap_ctl = 0;
    chip->regs.swj_select = 0;
    chip->swd_connected = false;
}

static void setup_locked_boot(void)
{
    static const uint8_t required[PROTO_RESTRICT_SIZE] = PROTO_RESTRICT_REQUIRED;
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    assert_int_equal(board_ask(&lab.board, PROTO_CMD_LOCK, NULL, 0, answer, &length), PROTO_OK);
    bind_for_production();
    begin_secure_boot(required);
}

/* SECURE, but one restriction is missing. */
static void setup_loose_boot(void)
{
    static const uint8_t loose[PROTO_RESTRICT_SIZE] = { 0xBF, 0xFF, 0xBB, 0xF3 };

    bind_for_production();
    begin_secure_boot(loose);
}

static void setup_statement(void)
{
    bind_for_production();
    board_power_cycle(&lab.board);
    board_begin(&lab.board, PROTO_CMD_STATEMENT, lab.board.authority.key_id, PROTO_KEY_ID_SIZE);
}

static void setup_boot_and_statement(void)
{
    bind_for_production();
    begin_boot();
}

/* The station asks for a statement as soon as the mailbox is there. */
static bool ask_statement(void *user, struct sim_chip *chip)
{
    uint8_t word[4];
    struct sim_chip *own = lab.board.chip;

    (void)user;
    if (!sim_chip_test_read(
            chip, PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_MAGIC_AT, word, sizeof(word)) ||
        base_get_le32(word) != PROTO_MAILBOX_MAGIC)
        return false;
    lab.board.chip = chip;
    lab.board.sequence = 0;
    board_begin(&lab.board, PROTO_CMD_STATEMENT, lab.board.authority.key_id, PROTO_KEY_ID_SIZE);
    lab.board.chip = own;
    return true;
}

/* The same program, signed by somebody else. */
static void setup_unsigned(void)
{
    struct signer other;

    signer_init(&other);
    app_board_program(&lab.app, &other, 0x01000000U);
    signer_done(&other);
}

/* Signed as it must be, after a newer one has run. */
static void setup_old_application(void)
{
    app_board_program(&lab.app, &lab.app.signer, 0x02000000U);
    lab.app.board = lab.board;
    app_board_run(&lab.app);
    lab.board = lab.app.board;
    app_board_program(&lab.app, &lab.app.signer, 0x01000000U);
    board_power_cycle(&lab.board);
}

static void run_application(void)
{
    board_begin(&lab.board, PROTO_CMD_RUN, NULL, 0);
}

struct scenario {
    const char *name;
    bool is_blank; /* no identity, no keys */
    void (*setup)(void);
    void (*begin)(void); /* NULL: setup has begun it */
    run_judge_fn judge;
    run_done_fn done;
    run_poke_fn poke;
};

static const struct scenario scenarios[] = {
    { "forged", false, setup_forged, install_envelope, judge_refused, is_answered, NULL },
    { "replayed", false, setup_replayed, install_envelope, judge_refused, is_answered, NULL },
    { "used-version", false, setup_used_version, install_envelope, judge_refused, is_answered,
        NULL },
    { "foreign", false, setup_foreign, install_envelope, judge_refused, is_answered, NULL },
    { "wrong-nonce", false, setup_wrong_nonce, install_envelope, judge_refused, is_answered, NULL },
    { "commit", false, setup_good, install_envelope, judge_commit, is_answered, NULL },
    { "open-port", true, setup_statement, NULL, judge_no_identity, is_answered, NULL },
    { "open-port-boot", true, setup_boot_and_statement, NULL, judge_no_identity, is_answered,
        ask_statement },
    { "lock", false, NULL, setup_lock, judge_lock, is_answered, NULL },
    { "locked-boot", false, setup_locked_boot, NULL, judge_shut, is_asleep, NULL },
    { "unsigned", false, setup_unsigned, run_application, judge_not_started, is_answered, NULL },
    { "old-application", false, setup_old_application, run_application, judge_not_started,
        is_answered, NULL },
    { "loose-boot", true, setup_loose_boot, NULL, judge_shut, is_asleep, NULL },
};

static const struct scenario *chosen;
static bool planted;
static bool compared;

/* Take the second look out of the image: it says yes to everything. */
static void plant(void)
{
    const char *second = chosen->judge == judge_shut ? "bl_device_confirm_open" : "bl_guard_row";
    uint32_t at = firmware_symbol(&lab.firmware, second, NULL);
    const uint8_t odd = (uint8_t)(at >> 1 & 1U);              /* a literal lies on a word */
    uint8_t code[10] = { odd, 0x48, 0x70, 0x47, 0xC0, 0x46 }; /* ldr r0, [pc, ..]; bx lr; nop */

    base_put_le32(code + 4 + 2U * odd, BL_YES);
    assert_true(sim_chip_test_write(lab.board.chip, at, code, 8U + 2U * odd));
}

static long seconds(void)
{
    const char *text = getenv("LPA_SECONDS");
    long all = text == NULL || *text == '\0' ? DEFAULT_SECONDS : strtol(text, NULL, 10);

    return all > SHARE ? all / SHARE : all == 0 ? 0 : 1;
}

static void glitch(void **state)
{
    struct run_opts opts = {
        .firmware = &lab.firmware,
        .rarely = { "hash_memory", "bl_random_start", "bl_random_reseed", "hash_flash",
            "multiply_mod", "invert" },
        .poke = chosen->poke,
        .done = chosen->done,
        .judge = chosen->judge,
        .random_points = RANDOM_POINTS,
        .seed = SEED,
        .seconds = planted ? 0 : seconds(),
        .until_broken = planted,
        .compare_every = compared ? COMPARE_EVERY : 0,
    };
    struct run_counts counts;

    (void)state;
    firmware_load(&lab.firmware);
    app_board_init(&lab.app);
    lab.board = lab.app.board;
    if (!chosen->is_blank) {
        board_identify(&lab.board, &lab.statement);
        install(1);
    }
    if (chosen->setup != NULL)
        chosen->setup();
    read_home(lab.board.chip, 0, lab.old_home);
    lab.cm4_steps = cm4_steps(lab.board.chip);
    if (chosen->begin != NULL)
        chosen->begin();
    if (planted)
        plant();
    opts.start = lab.board.chip;
    counts = run_scenario(chosen->name, &opts);
    assert_true(counts.done > 0);
    assert_int_equal(counts.broken, planted ? 1 : 0);
    lab.app.board = lab.board;
    app_board_done(&lab.app);
    firmware_done(&lab.firmware);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(glitch) };

    (void)setvbuf(stdout, NULL, _IOLBF, 0);

    for (size_t i = 0; argc > 1 && i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0)
            chosen = &scenarios[i];
    }
    planted = argc > 2 && strcmp(argv[2], "planted") == 0;
    compared = argc > 2 && strcmp(argv[2], "compared") == 0;
    if (chosen == NULL) {
        print_message("usage: test_glitch SCENARIO [planted|compared]\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
