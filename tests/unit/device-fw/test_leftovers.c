/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where secrets lie in the die's memory once a command has been answered, a boot is done or a reset
 * has struck (RAM keeps its contents over a reset): only in the vault's own record, and nowhere
 * that the debug port reaches.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/hpke.h"
#include "device-fw/bootloader/record.h"
#include "tests/unit/device-fw/board.h"

#define SRAM        0x08000000U
#define SRAM_SIZE   0x48000U
#define STACK_SIZE  8192U
#define STACK_PAINT 0xA5A5A5A5U
/* What the main loop itself and the copying of an answer need below the sleeping core's pointer. */
#define IDLE_STACK 192U
#define WINDOW     8U
#define SECRETS    8U
#define FORMS      3U

/* Offsets in the record that hold secrets; see device-fw/bootloader/record.h. */
#define SECRET_AT  28U
#define DH_AT      133U
#define APP_AT     (BL_RECORD_INSTALLED_AT + 55U)
#define RECEIPT_AT (BL_RECORD_INSTALLED_AT + 103U)

struct secret {
    const char *name;
    uint8_t bytes[64];
    size_t length;
    bool in_record; /**< may lie once in memory, in the vault's record */
};

struct hunt {
    struct secret secret[SECRETS];
    size_t count;
};

static struct board board;
static uint8_t memory[SRAM_SIZE];

static int setup(void **state)
{
    (void)state;
    board_init(&board);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    board_done(&board);
    return 0;
}

static void add(
    struct hunt *hunt, const char *name, const void *bytes, size_t length, bool in_record)
{
    struct secret *secret = &hunt->secret[hunt->count++];

    assert_true(hunt->count <= SECRETS && length <= sizeof(secret->bytes));
    *secret = (struct secret){ .name = name, .length = length, .in_record = in_record };
    memcpy(secret->bytes, bytes, length);
}

/* The statement key, as both ends derive it. */
static void add_statement_key(struct hunt *hunt, const uint8_t dh[32])
{
    static const char salt[] = PROTO_LABEL_STATEMENT;
    static const uint8_t chip_id[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct base_part ikm = { dh, 32 };
    const struct base_part info[2] = { { board.authority.key_id, PROTO_KEY_ID_SIZE },
        { chip_id, sizeof(chip_id) } };
    uint8_t prk[PROTO_HASH_SIZE];
    uint8_t key[PROTO_HASH_SIZE];

    base_hkdf_extract(salt, sizeof(salt) - 1, &ikm, 1, prk);
    assert_int_equal(base_hkdf_expand(prk, info, 2, sizeof(key), key, NULL), BASE_OK);
    add(hunt, "statement key", key, sizeof(key), false);
}

/* What the record in flash holds at this moment. */
static struct hunt secrets_of_record(void)
{
    uint8_t row[PROTO_VAULT_HOME_SIZE];
    struct hunt hunt = { .count = 0 };

    assert_true(sim_chip_test_read(board.chip, PROTO_VAULT_HOME_0, row, sizeof(row)));
    if (memcmp(row, "LPAV", 4) != 0)
        return hunt;
    add(&hunt, "identity key", row + SECRET_AT, 32, true);
    add(&hunt, "static DH", row + DH_AT, 32, true);
    add_statement_key(&hunt, row + DH_AT);
    if (row[5] == PROTO_VAULT_COMMITTED) {
        add(&hunt, "AppKey", row + APP_AT, PROTO_ROOT_KEY_SIZE, true);
        add(&hunt, "receipt key", row + RECEIPT_AT, 32, true);
    }
    return hunt;
}

/* As it stands; bytes backwards; bytes of each word backwards, as a hash function loads it. */
static void shape(const struct secret *secret, unsigned form, uint8_t ret_bytes[64])
{
    for (size_t i = 0; i < secret->length; i++) {
        size_t from = form == 0 ? i : form == 1 ? secret->length - 1 - i : (i ^ 3U);

        ret_bytes[i] = secret->bytes[from];
    }
}

/* Number of places with eight bytes of the secret in a row, except within [skip, skip + length). */
static unsigned count_windows(
    const uint8_t *data, size_t length, const struct secret *secret, size_t skip, size_t *ret_where)
{
    unsigned found = 0;

    for (unsigned form = 0; form < FORMS; form++) {
        uint8_t bytes[64];

        shape(secret, form, bytes);
        for (size_t from = 0; from + WINDOW <= secret->length; from += 4) {
            const uint8_t *at = data;

            while ((at = memmem(at, length - (size_t)(at - data), bytes + from, WINDOW)) != NULL) {
                size_t where = (size_t)(at - data);

                if (where < skip || where >= skip + secret->length) {
                    found++;
                    *ret_where = where;
                }
                at++;
            }
        }
    }
    return found;
}

static size_t find_own_copy(const struct secret *secret)
{
    const uint8_t *at =
        secret->in_record ? memmem(memory, sizeof(memory), secret->bytes, secret->length) : NULL;

    return at == NULL ? SIZE_MAX / 2 : (size_t)(at - memory);
}

static void run_until_asleep(void)
{
    for (unsigned i = 0; i < 10000 && !sim_chip_test_core(board.chip, SIM_AP_CM0).sleeping; i++)
        sim_chip_run_until(board.chip, sim_chip_time_ps(board.chip) + SIM_PS_PER_US);
    assert_true(sim_chip_test_core(board.chip, SIM_AP_CM0).sleeping);
}

/* Below the main loop's own frames nothing of a command's work is left, whatever it was. */
static void check_stack(const char *when)
{
    uint32_t top = base_get_le32(board.image.data + PROTO_VECTOR_OFFSET);
    uint32_t sp;

    run_until_asleep();
    sp = sim_chip_test_core(board.chip, SIM_AP_CM0).sp;
    assert_true(sp > top - STACK_SIZE && sp <= top);
    assert_true(sim_chip_test_read(board.chip, SRAM, memory, sizeof(memory)));
    for (uint32_t at = top - STACK_SIZE; at < sp - IDLE_STACK; at += 4) {
        if (base_get_le32(memory + (at - SRAM)) != STACK_PAINT)
            fail_msg("%s: the stack still holds 0x%08X, %u bytes below the main loop", when,
                base_get_le32(memory + (at - SRAM)), sp - at);
    }
}

static void check_sram(const struct hunt *hunt, const char *when, bool record_allowed)
{
    size_t where = 0;

    assert_true(sim_chip_test_read(board.chip, SRAM, memory, sizeof(memory)));
    for (size_t i = 0; i < hunt->count; i++) {
        const struct secret *secret = &hunt->secret[i];
        size_t own = record_allowed ? find_own_copy(secret) : SIZE_MAX / 2;

        if (count_windows(memory, sizeof(memory), secret, own, &where) > 0)
            fail_msg("%s: the %s lies in memory at 0x%08zX", when, secret->name, SRAM + where);
    }
}

/* All that an access port can read of a window of the address space; what it refuses is zeros. The
 * CM0-AP is not asked: it sees what the CM0+ sees, which nothing but closing it changes. */
static void dump_by_port(enum sim_ap ap, uint32_t address, size_t length, uint8_t *ret_data)
{
    for (size_t at = 0; at < length; at += 4) {
        uint32_t value = 0;

        (void)sim_chip_ap_access(board.chip, ap, address + (uint32_t)at, 4, false, true, &value);
        base_put_le32(ret_data + at, value);
    }
}

static void check_port(const struct hunt *hunt, const char *when)
{
    static const struct {
        uint32_t address;
        uint32_t length;
    } reach[] = {
        { SRAM, SRAM_SIZE },
        { 0x10000000U, 0x10000U },
        { PROTO_VAULT_HOME_1, 0x1000U },
        { PROTO_VAULT_HOME_0, 0x1000U },
        { 0x16000000U, 0x8000U },
        { 0x40110000U, 0x1000U },
    };

    for (size_t i = 0; i < 2 * sizeof(reach) / sizeof(reach[0]); i++) {
        enum sim_ap ap = i % 2 == 0 ? SIM_AP_SYS : SIM_AP_CM4;

        dump_by_port(ap, reach[i / 2].address, reach[i / 2].length, memory);
        for (size_t k = 0; k < hunt->count; k++) {
            size_t where = 0;

            if (count_windows(memory, reach[i / 2].length, &hunt->secret[k], SIZE_MAX / 2, &where) >
                0)
                fail_msg("%s: access port %d reads the %s at 0x%08zX", when, (int)ap,
                    hunt->secret[k].name, reach[i / 2].address + where);
        }
    }
}

static void check_all(const struct hunt *hunt, const char *when)
{
    check_stack(when);
    check_sram(hunt, when, true);
    check_port(hunt, when);
}

static void ask_and_check(uint32_t command, const uint8_t *payload, size_t length,
    uint32_t expected, const struct hunt *older, const char *when)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    struct hunt hunt;
    size_t answered = 0;

    assert_int_equal(board_ask(&board, command, payload, length, answer, &answered), expected);
    hunt = secrets_of_record();
    check_all(&hunt, when);
    if (older != NULL)
        check_sram(older, when, false);
}

/* The envelope's plain text and the DH with its ephemeral key, on top of the record's secrets. */
static struct hunt secrets_of_envelope(
    const struct proto_statement *statement, const uint8_t *envelope, uint8_t key)
{
    uint8_t ikm[32] = { 0xE0 };
    struct base_p256 *ephemeral = NULL;
    struct hunt hunt = { .count = 0 };
    struct proto_envelope parts;
    uint8_t bytes[32];

    assert_int_equal(proto_envelope_decode(envelope, PROTO_ENVELOPE_SIZE, &parts), PROTO_OK);
    memcpy(ikm + 1, parts.header.envelope_id, PROTO_ENVELOPE_ID_SIZE);
    assert_int_equal(base_p256_derive(ikm, sizeof(ikm), &ephemeral, NULL), BASE_OK);
    assert_int_equal(base_p256_ecdh(ephemeral, statement->public_key, bytes, NULL), BASE_OK);
    base_p256_free(ephemeral);
    add(&hunt, "ephemeral DH", bytes, sizeof(bytes), false);
    memset(bytes, key, sizeof(bytes));
    add(&hunt, "root key of the refused envelope", bytes, PROTO_ROOT_KEY_SIZE, false);
    return hunt;
}

static void pin_reset(void)
{
    static const uint8_t nothing[4];

    sim_chip_set_xres(board.chip, true);
    sim_chip_run_until(board.chip, sim_chip_time_ps(board.chip) + 10U * SIM_PS_PER_US);
    /* The magic survives the reset as well; a station knows the boots apart by their words. */
    assert_true(sim_chip_test_write(board.chip, PROTO_MAILBOX_ADDRESS, nothing, sizeof(nothing)));
    sim_chip_set_xres(board.chip, false);
    board.sequence = 0;
    while (!sim_chip_ap_enabled(board.chip, SIM_AP_SYS) ||
           board_mailbox_get(&board, PROTO_MAILBOX_MAGIC_AT) != PROTO_MAILBOX_MAGIC ||
           board_mailbox_get(&board, PROTO_MAILBOX_RSP_SEQUENCE_AT) != 0)
        sim_chip_run_until(board.chip, sim_chip_time_ps(board.chip) + 100U * SIM_PS_PER_US);
}

static void boot_leaves_nothing(void **state)
{
    struct proto_statement statement;
    struct hunt hunt = secrets_of_record();

    (void)state;
    check_stack("boot of a blank chip");
    board_identify(&board, &statement);
    board_power_cycle(&board);
    hunt = secrets_of_record();
    assert_int_equal(hunt.count, 3);
    check_all(&hunt, "boot with an identity");
    pin_reset();
    check_all(&hunt, "boot after the reset pin");
}

static void commands_leave_nothing(void **state)
{
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_statement statement;
    struct hunt older;
    struct hunt record;

    (void)state;
    board_identify(&board, &statement);
    ask_and_check(PROTO_CMD_STATEMENT, board.authority.key_id, PROTO_KEY_ID_SIZE, PROTO_OK, NULL,
        "statement");
    board_seal(&board, &statement, 1, 0x3C, envelope, receipt_key);
    older = secrets_of_envelope(&statement, envelope, 0x3C);
    envelope[PROTO_ENVELOPE_SIZE - 1] ^= 1;
    ask_and_check(
        PROTO_CMD_INSTALL, envelope, sizeof(envelope), PROTO_BAD_MAC, &older, "refused envelope");
    envelope[PROTO_ENVELOPE_SIZE - 1] ^= 1;
    older.count = 1;
    ask_and_check(PROTO_CMD_INSTALL, envelope, sizeof(envelope), PROTO_OK, &older, "install");
    ask_and_check(
        PROTO_CMD_INSTALL, envelope, sizeof(envelope), PROTO_ALREADY, NULL, "install again");
    ask_and_check(PROTO_CMD_RECEIPT, NULL, 0, PROTO_OK, NULL, "receipt");
    ask_and_check(PROTO_CMD_SELF_TEST, NULL, 0, PROTO_OK, NULL, "self-test");
    ask_and_check(PROTO_CMD_HELLO, NULL, 0, PROTO_OK, NULL, "hello");
    record = secrets_of_record();
    assert_int_equal(record.count, 5);
    board_power_cycle(&board);
    check_all(&record, "boot with keys");
    board_identify(&board, &statement);
    board_seal(&board, &statement, 2, 0x3D, envelope, receipt_key);
    ask_and_check(PROTO_CMD_INSTALL, envelope, sizeof(envelope), PROTO_OK, NULL, "rework");
    /* The replaced keys are gone; identity and static DH stay. */
    record.secret[0] = record.secret[3];
    record.secret[1] = record.secret[4];
    record.count = 2;
    check_sram(&record, "rework", false);
    pin_reset();
    record = secrets_of_record();
    check_all(&record, "boot after the reset pin");
}

static unsigned count_in_flash(const struct secret *secret)
{
    static const struct {
        uint32_t address, length;
    } memories[] = { { 0x10000000U, 0x100000U }, { 0x14000000U, 0x8000U },
        { 0x16000000U, 0x8000U } };

    static uint8_t flash[0x100000];
    unsigned found = 0;
    size_t where = 0;

    for (size_t i = 0; i < sizeof(memories) / sizeof(memories[0]); i++) {
        assert_true(sim_chip_test_read(board.chip, memories[i].address, flash, memories[i].length));
        found += count_windows(flash, memories[i].length, secret, SIZE_MAX / 2, &where);
    }
    return found;
}

/* A board to be scrapped: nothing of its root keys is left in any memory of the die. */
static void zeroise_leaves_no_root_key(void **state)
{
    static const uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_statement statement;
    struct proto_envelope_header header;
    struct hunt record;

    (void)state;
    board_identify(&board, &statement);
    board_seal(&board, &statement, 1, 0x3C, envelope, receipt_key);
    ask_and_check(PROTO_CMD_INSTALL, envelope, sizeof(envelope), PROTO_OK, NULL, "install");
    record = secrets_of_record();
    assert_int_equal(record.count, 5);
    for (size_t i = 3; i < record.count; i++)
        assert_true(count_in_flash(&record.secret[i]) > 0);
    board_identify(&board, &statement);
    header = authority_header(&board.authority, &statement, 2);
    header.purpose = PROTO_PURPOSE_ZEROISE;
    header.keys = 0;
    authority_seal(&board.authority, &header, statement.public_key, plain, envelope, receipt_key);
    ask_and_check(PROTO_CMD_ZEROISE, envelope, sizeof(envelope), PROTO_OK, NULL, "zeroise");
    record.secret[0] = record.secret[3];
    record.secret[1] = record.secret[4];
    record.count = 2;
    check_sram(&record, "zeroise", false);
    for (size_t i = 0; i < record.count; i++)
        assert_int_equal(count_in_flash(&record.secret[i]), 0);
    board_power_cycle(&board);
    check_sram(&record, "boot after zeroise", false);
    for (size_t i = 0; i < record.count; i++)
        assert_int_equal(count_in_flash(&record.secret[i]), 0);
}

/* RAM keeps its contents over a reset, and the ROM lets a debugger in before our first instruction.
 */
static void reset_command_takes_all_along(void **state)
{
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    struct proto_statement statement;
    struct hunt record;
    size_t length = 0;
    uint32_t before = sim_chip_reset_count(board.chip);

    (void)state;
    board_identify(&board, &statement);
    board_seal(&board, &statement, 1, 0x3C, envelope, receipt_key);
    assert_int_equal(
        board_ask(&board, PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length),
        PROTO_OK);
    record = secrets_of_record();
    assert_int_equal(board_ask(&board, PROTO_CMD_RESET, NULL, 0, answer, &length), PROTO_OK);
    while (sim_chip_reset_count(board.chip) == before)
        sim_chip_run_until(board.chip, sim_chip_time_ps(board.chip) + 10U * SIM_PS_PER_US);
    check_sram(&record, "reset by command", false);
}

/* A fault in the middle of the cryptography: the interrupted frames are not left either. */
static void fault_leaves_nothing(void **state)
{
    static const uint8_t undefined[2] = { 0x00, 0xDE };
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_statement statement;
    struct sim_chip_test_core core;
    struct hunt record;

    (void)state;
    board_identify(&board, &statement);
    record = secrets_of_record();
    board_seal(&board, &statement, 1, 0x3C, envelope, receipt_key);
    board_begin(&board, PROTO_CMD_INSTALL, envelope, sizeof(envelope));
    core = sim_chip_test_core(board.chip, SIM_AP_CM0);
    assert_true(sim_chip_test_run_instructions(board.chip, core.instructions + 5000000,
        sim_chip_time_ps(board.chip) + 1000000U * SIM_PS_PER_US));
    core = sim_chip_test_core(board.chip, SIM_AP_CM0);
    assert_true(core.pc >= PROTO_IMAGE_ADDRESS &&
                core.pc < PROTO_IMAGE_ADDRESS + PROTO_IMAGE_MAX_SIZE && !core.sleeping);
    assert_true(sim_chip_test_write(board.chip, core.pc, undefined, sizeof(undefined)));
    sim_chip_run_until(board.chip, sim_chip_time_ps(board.chip) + 10000U * SIM_PS_PER_US);
    core = sim_chip_test_core(board.chip, SIM_AP_CM0);
    assert_int_equal(core.ipsr, 3);
    assert_true(core.sleeping && !core.locked_up);
    assert_int_equal(board_mailbox_get(&board, PROTO_MAILBOX_MAGIC_AT), 0);
    check_sram(&record, "fault", false);
    check_stack("fault");
}

/* The hunter finds what is there. */
static void hunter_finds(void **state)
{
    struct proto_statement statement;
    struct hunt hunt;
    size_t where = 0;

    (void)state;
    board_identify(&board, &statement);
    hunt = secrets_of_record();
    assert_true(sim_chip_test_read(board.chip, SRAM, memory, sizeof(memory)));
    assert_true(find_own_copy(&hunt.secret[0]) < sizeof(memory));
    assert_true(count_windows(memory, sizeof(memory), &hunt.secret[0], SIZE_MAX / 2, &where) > 0);
    for (unsigned form = 0; form < FORMS; form++) {
        uint8_t bytes[64];

        shape(&hunt.secret[1], form, bytes);
        memset(memory, 0, sizeof(memory));
        memcpy(memory + 1000, bytes + 8, WINDOW);
        assert_int_equal(
            count_windows(memory, sizeof(memory), &hunt.secret[1], SIZE_MAX / 2, &where), 1);
        assert_int_equal(where, 1000);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hunter_finds),
        TEST(boot_leaves_nothing),
        TEST(commands_leave_nothing),
        TEST(zeroise_leaves_no_root_key),
        TEST(reset_command_takes_all_along),
        TEST(fault_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
