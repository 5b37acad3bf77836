/* SPDX-License-Identifier: Apache-2.0 */
/* What the chip says after a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "tests/glitch/lab.h"

#include <cmocka.h>

#include "base/hash.h"
#include "device-fw/bootloader/record.h"
#include "sim/die.h"

/* Offsets in the record, device-fw/bootloader/record.h. */
#define STATE_AT         5U
#define KEY_VERSION_AT   20U
#define SEQUENCE_AT      8U
#define DEV_NONCE_AT     24U
#define SECRET_AT        28U
#define AUTHORITY_AT     125U
#define DH_AT            133U
#define NONCE_AT         165U
#define NWK_AT           (BL_RECORD_INSTALLED_AT + 39U)
#define APP_AT           (BL_RECORD_INSTALLED_AT + 55U)
#define ENVELOPE_AT      (BL_RECORD_INSTALLED_AT + 71U)
#define RECEIPT_AT       (BL_RECORD_INSTALLED_AT + 103U)
#define APPLICATION_AT   320U
#define FLOORS_AT        352U
#define SERVICES_AT      360U
#define HASH_AT          476U
#define COMMIT_AT        508U
#define APPLICATION_SIZE 40U
#define LEAK_WINDOW      8U
#define SECRETS          6U
#define SECRET_SIZE      32U

void judge_read_home(
    const struct sim_chip *chip, unsigned home, uint8_t ret_row[PROTO_VAULT_HOME_SIZE])
{
    assert_true(sim_chip_test_read(
        chip, home == 0 ? PROTO_VAULT_HOME_0 : PROTO_VAULT_HOME_1, ret_row, PROTO_VAULT_HOME_SIZE));
}

/* The record from before, or what the command run makes of it, which a glitch may call up and
 * anybody may give. */
static bool is_old(const uint8_t row[PROTO_VAULT_HOME_SIZE])
{
    return memcmp(row, lab.old_home, PROTO_VAULT_HOME_SIZE) == 0 ||
           memcmp(row, lab.run_home, PROTO_VAULT_HOME_SIZE) == 0;
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

bool judge_is_answered(void *user, const struct sim_chip *chip)
{
    uint8_t word[4];

    (void)user;
    if (!sim_chip_test_read(
            chip, PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_RSP_SEQUENCE_AT, word, sizeof(word)))
        return false;
    return base_get_le32(word) == lab.board.sequence &&
           sim_chip_test_core(chip, SIM_AP_CM0).sleeping;
}

bool judge_is_served(void *user, const struct sim_chip *chip)
{
    uint8_t word[4];

    (void)user;
    return sim_chip_test_read(chip, LAB_MESSAGE + (uint32_t)offsetof(struct svc_message, status),
               word, sizeof(word)) &&
           base_get_le32(word) != 0 && sim_chip_test_core(chip, SIM_AP_CM0).sleeping;
}

static void list_secrets(uint8_t ret_secrets[SECRETS][SECRET_SIZE])
{
    memset(ret_secrets, 0, (size_t)SECRETS * SECRET_SIZE);
    memcpy(ret_secrets[0], lab.old_home + SECRET_AT, SECRET_SIZE);
    memcpy(ret_secrets[1], lab.old_home + DH_AT, SECRET_SIZE);
    memcpy(ret_secrets[2], lab.old_home + RECEIPT_AT, SECRET_SIZE);
    memcpy(ret_secrets[3], lab.receipt_key, SECRET_SIZE);
    memset(ret_secrets[4], LAB_OLD_KEY, PROTO_ROOT_KEY_SIZE);
    memset(ret_secrets[5], LAB_NEW_KEY, PROTO_ROOT_KEY_SIZE);
}

bool judge_leaks(const struct sim_chip *chip, uint32_t base, uint32_t end)
{
    static const uint8_t zeros[LEAK_WINDOW];
    static uint8_t memory[0x10000];
    uint8_t secrets[SECRETS][SECRET_SIZE];

    assert_true(end - base <= sizeof(memory));
    assert_true(sim_chip_test_read(chip, base, memory, end - base));
    list_secrets(secrets);
    for (unsigned i = 0; i < SECRETS; i++) {
        for (unsigned at = 0; at + LEAK_WINDOW <= SECRET_SIZE; at += 4) {
            if (memcmp(secrets[i] + at, zeros, LEAK_WINDOW) != 0 &&
                memmem(memory, end - base, secrets[i] + at, LEAK_WINDOW) != NULL)
                return true;
        }
    }
    return false;
}

bool judge_leaks_registers(const struct sim_chip *chip)
{
    uint8_t secrets[SECRETS][SECRET_SIZE];

    list_secrets(secrets);
    for (unsigned i = 0; i < SECRETS * SECRET_SIZE; i += 4) {
        uint32_t word = base_get_le32(&secrets[0][0] + i);

        for (unsigned reg = 0; reg < 13 && word != 0; reg++) {
            if (sim_chip_test_reg(chip, SIM_AP_CM0, reg) == word)
                return true;
        }
    }
    return false;
}

/* In the mailbox or in the second core's message. */
static bool leaks(const struct sim_chip *chip)
{
    return judge_leaks(chip, PROTO_MAILBOX_ADDRESS, PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_SIZE) ||
           judge_leaks(chip, LAB_MESSAGE, LAB_MESSAGE + (uint32_t)sizeof(struct svc_message));
}

/* The record must be the one from before the command. */
enum verdict judge_refused(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[2][PROTO_VAULT_HOME_SIZE];
    bool old[2];

    (void)user;
    for (unsigned i = 0; i < 2; i++) {
        judge_read_home(chip, i, row[i]);
        old[i] = is_old(row[i]);
        if (!old[i] && is_valid(row[i])) {
            *ret_why = "another record is in the vault";
            return VERDICT_BROKEN;
        }
    }
    if (leaks(chip)) {
        *ret_why = "a secret is where others can read it";
        return VERDICT_BROKEN;
    }
    if (old[0] || old[1])
        return VERDICT_HELD;
    *ret_why = "no record is left";
    return VERDICT_DAMAGED;
}

/* The record from before, but for what whoever counts may change (guard.h); DevNonces never go
 * down. */
static bool is_counted(const uint8_t row[PROTO_VAULT_HOME_SIZE])
{
    uint8_t expected[PROTO_VAULT_HOME_SIZE];

    memcpy(expected, lab.old_home, HASH_AT);
    memcpy(expected + SEQUENCE_AT, row + SEQUENCE_AT, 4);
    memcpy(expected + DEV_NONCE_AT, row + DEV_NONCE_AT, 4);
    memcpy(expected + AUTHORITY_AT, row + AUTHORITY_AT, NONCE_AT - AUTHORITY_AT);
    memcpy(expected + APPLICATION_AT, row + APPLICATION_AT, HASH_AT - APPLICATION_AT);
    return memcmp(expected, row, HASH_AT) == 0 &&
           base_get_be32(row + DEV_NONCE_AT) >= base_get_be32(lab.old_home + DEV_NONCE_AT);
}

enum verdict judge_counters(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[PROTO_VAULT_HOME_SIZE];
    bool good = false;

    (void)user;
    for (unsigned i = 0; i < 2; i++) {
        judge_read_home(chip, i, row);
        if (is_valid(row) && !is_counted(row)) {
            *ret_why = "more than a counter has changed in the vault";
            return VERDICT_BROKEN;
        }
        good = good || is_valid(row);
    }
    if (good)
        return VERDICT_HELD;
    *ret_why = "no record is left";
    return VERDICT_DAMAGED;
}

enum verdict judge_not_joined(void *user, const struct sim_chip *chip, const char **ret_why)
{
    struct svc_message message = { .status = 0 };

    /* Of another operation, which anybody may ask for, the answer has another length. */
    (void)sim_chip_test_read(chip, LAB_MESSAGE, &message, sizeof(message));
    if (message.status == SVC_OK && message.length == SVC_ACCEPTED_SIZE) {
        *ret_why = "the join-accept is said to be good";
        return VERDICT_BROKEN;
    }
    return judge_refused(user, chip, ret_why);
}

/* Old or new as a whole, and no receipt without the new one. */
static bool is_new(const uint8_t row[PROTO_VAULT_HOME_SIZE])
{
    uint8_t expected[PROTO_VAULT_HOME_SIZE];
    uint8_t hash[PROTO_HASH_SIZE];
    struct proto_envelope envelope;

    assert_int_equal(
        proto_envelope_decode(lab.envelope, sizeof(lab.envelope), &envelope), PROTO_OK);
    base_sha256(lab.envelope, sizeof(lab.envelope), hash);
    memcpy(expected, row, sizeof(expected));
    memcpy(expected, lab.old_home, NONCE_AT);
    expected[STATE_AT] = PROTO_VAULT_COMMITTED;
    memcpy(expected + 8, row + 8, 4); /* sequence */
    base_put_be32(expected + KEY_VERSION_AT, envelope.header.key_version);
    memset(expected + NWK_AT, 0, PROTO_ROOT_KEY_SIZE);
    memset(expected + APP_AT, LAB_NEW_KEY, PROTO_ROOT_KEY_SIZE);
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

enum verdict judge_commit(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[2][PROTO_VAULT_HOME_SIZE];
    bool good[2];
    bool fresh[2];

    (void)user;
    for (unsigned i = 0; i < 2; i++) {
        judge_read_home(chip, i, row[i]);
        fresh[i] = is_new(row[i]);
        good[i] = fresh[i] || is_old(row[i]);
        if (!good[i] && is_valid(row[i])) {
            *ret_why = "a record that is neither old nor new is in the vault";
            return VERDICT_BROKEN;
        }
    }
    if (leaks(chip)) {
        *ret_why = "a secret is where others can read it";
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

enum verdict judge_lock(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[2][PROTO_VAULT_HOME_SIZE];
    bool locked[2];
    bool good[2];

    (void)user;
    for (unsigned i = 0; i < 2; i++) {
        judge_read_home(chip, i, row[i]);
        locked[i] = is_locked(row[i]);
        good[i] = locked[i] || is_old(row[i]);
        if (!good[i] && is_valid(row[i])) {
            *ret_why = "a record that is neither old nor locked is in the vault";
            return VERDICT_BROKEN;
        }
    }
    if (leaks(chip)) {
        *ret_why = "a secret is where others can read it";
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

/* As before or forgotten as a whole, and told so only when both homes are. */
static bool is_forgotten(const uint8_t row[PROTO_VAULT_HOME_SIZE])
{
    uint8_t expected[PROTO_VAULT_HOME_SIZE] = { 0 };

    memcpy(expected, lab.old_home, DEV_NONCE_AT);
    memcpy(expected + SEQUENCE_AT, row + SEQUENCE_AT, 4);
    expected[STATE_AT] = PROTO_VAULT_FORGOTTEN;
    memcpy(expected + FLOORS_AT, lab.old_home + FLOORS_AT, SERVICES_AT - FLOORS_AT);
    return memcmp(expected, row, HASH_AT) == 0 && is_valid(row);
}

static bool said_ok(const struct sim_chip *chip)
{
    uint8_t word[4];

    return judge_is_answered(NULL, chip) &&
           sim_chip_test_read(
               chip, PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_RSP_STATUS_AT, word, sizeof(word)) &&
           base_get_le32(word) == PROTO_OK;
}

enum verdict judge_forget(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[2][PROTO_VAULT_HOME_SIZE];
    bool forgotten[2];
    bool good[2];

    (void)user;
    for (unsigned i = 0; i < 2; i++) {
        judge_read_home(chip, i, row[i]);
        forgotten[i] = is_forgotten(row[i]);
        good[i] = forgotten[i] || is_old(row[i]);
        if (!good[i] && is_valid(row[i])) {
            *ret_why = "a record that is neither old nor forgotten is in the vault";
            return VERDICT_BROKEN;
        }
    }
    if (leaks(chip)) {
        *ret_why = "a secret is where others can read it";
        return VERDICT_BROKEN;
    }
    if (said_ok(chip) && !(forgotten[0] && forgotten[1])) {
        *ret_why = "the device says that it has forgotten, and it has not";
        return VERDICT_BROKEN;
    }
    if (good[0] || good[1])
        return VERDICT_HELD;
    *ret_why = "no record is left";
    return VERDICT_DAMAGED;
}

/* No record may come to be. */
enum verdict judge_no_identity(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[PROTO_VAULT_HOME_SIZE];

    (void)user;
    for (unsigned i = 0; i < 2; i++) {
        judge_read_home(chip, i, row);
        if (is_valid(row)) {
            *ret_why = "an identity with the port open";
            return VERDICT_BROKEN;
        }
    }
    return VERDICT_HELD;
}

enum verdict judge_shut(void *user, const struct sim_chip *chip, const char **ret_why)
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

uint64_t judge_cm4_steps(const struct sim_chip *chip)
{
    return sim_chip_test_core(chip, SIM_AP_CM4).instructions;
}

/* The CM4 is off and the record names no other application than before. */
enum verdict judge_not_started(void *user, const struct sim_chip *chip, const char **ret_why)
{
    uint8_t row[PROTO_VAULT_HOME_SIZE];

    (void)user;
    if ((chip->regs.cm4_pwr_ctl & 3U) == 3U || judge_cm4_steps(chip) > lab.cm4_steps) {
        *ret_why = "the CM4 runs";
        return VERDICT_BROKEN;
    }
    for (unsigned i = 0; i < 2; i++) {
        judge_read_home(chip, i, row);
        if (is_valid(row) &&
            memcmp(row + APPLICATION_AT, lab.old_home + APPLICATION_AT, APPLICATION_SIZE) != 0) {
            *ret_why = "the record names another application";
            return VERDICT_BROKEN;
        }
    }
    return VERDICT_HELD;
}

bool judge_is_asleep(void *user, const struct sim_chip *chip)
{
    (void)user;
    return sim_chip_test_core(chip, SIM_AP_CM0).sleeping;
}
