/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On a restricted board, at every store to memory that the debug port can reach and at every change
 * of a protection unit or of the port itself, from power-on over identify, install and rework to
 * the lock: no byte that any access port could read at that instant belongs to a key.
 *
 * The board does its work twice. The first time tells the keys, the second time is watched: the
 * die's noise is the same. Run with an image that leaks for a few instructions, the test must fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hpke.h"
#include "device-fw/bootloader/record.h"
#include "tests/unit/device-fw/board_secure.h"

#define RAM         0x08000000U
#define WINDOW_SIZE 0x4000U /* first 1/16 of RAM */
#define PIECE       8U      /* so many bytes of a key in a row are a leak */
#define BLOCK       256U    /* protection is the same all over one */
#define FORMS       3U
#define PIECES_MAX  2048U

#define SECRET_AT  28U
#define DH_AT      133U
#define APP_AT     (BL_RECORD_INSTALLED_AT + 55U)
#define RECEIPT_AT (BL_RECORD_INSTALLED_AT + 103U)

static const uint8_t required[PROTO_RESTRICT_SIZE] = PROTO_RESTRICT_REQUIRED;

/* Every eight bytes in a row of every key, as they stand, backwards, and with the bytes of each
 * word backwards. The table of their first two bytes spares most comparisons. */
static struct {
    uint64_t piece[PIECES_MAX];
    size_t count;
    uint8_t start[1U << 16];
} keys;

static struct {
    const struct board *board;
    unsigned stores;
    unsigned changes;
    uint64_t bytes;
    unsigned leaks;
    uint32_t first_leak;
} watch;

static void add_key(const uint8_t *key, size_t length)
{
    for (unsigned form = 0; form < FORMS; form++) {
        uint8_t shaped[64];

        assert_true(length <= sizeof(shaped));
        for (size_t i = 0; i < length; i++)
            shaped[i] = key[form == 0 ? i : form == 1 ? length - 1 - i : (i ^ 3U)];
        for (size_t at = 0; at + PIECE <= length; at++) {
            assert_true(keys.count < PIECES_MAX);
            memcpy(&keys.piece[keys.count++], shaped + at, PIECE);
            keys.start[(size_t)shaped[at] << 8 | shaped[at + 1]] = 1;
        }
    }
}

static bool is_key(const uint8_t *at)
{
    uint64_t piece;

    if (keys.start[(size_t)at[0] << 8 | at[1]] == 0)
        return false;
    memcpy(&piece, at, PIECE);
    for (size_t i = 0; i < keys.count; i++) {
        if (keys.piece[i] == piece)
            return true;
    }
    return false;
}

static void look_at(uint32_t address, uint32_t length)
{
    uint8_t bytes[BLOCK + PIECE];

    assert_true(length <= sizeof(bytes));
    assert_true(sim_chip_test_read(watch.board->chip, address, bytes, length));
    for (uint32_t i = 0; i + PIECE <= length; i++) {
        watch.bytes++;
        if (is_key(bytes + i) && watch.leaks++ == 0)
            watch.first_leak = address + i;
    }
}

static bool is_visible(enum sim_ap ap, uint32_t address)
{
    uint32_t value = 0;

    return sim_chip_swd_connected(watch.board->chip) &&
           sim_chip_ap_enabled(watch.board->chip, ap) &&
           sim_chip_ap_access(watch.board->chip, ap, address, 4, false, true, &value) == SIM_BUS_OK;
}

/* All that each port can read now. */
static void look_everywhere(void)
{
    static const struct {
        uint32_t address, length;
    } memories[] = { { RAM, 0x48000U }, { 0x10000000U, 0x100000U }, { 0x14000000U, 0x8000U },
        { 0x16000000U, 0x8000U } };

    for (unsigned ap = 0; ap < SIM_AP_COUNT; ap++) {
        for (size_t i = 0; i < sizeof(memories) / sizeof(memories[0]); i++) {
            for (uint32_t at = 0; at < memories[i].length; at += BLOCK) {
                uint32_t left = memories[i].length - at;

                if (is_visible((enum sim_ap)ap, memories[i].address + at))
                    look_at(memories[i].address + at, left < BLOCK + PIECE ? left : BLOCK + PIECE);
            }
        }
    }
}

/* Units and contexts, access ports, pins. */
static bool is_protection(uint32_t address)
{
    return (address >= 0x40240000U && address < 0x40248000U) ||
           (address >= 0x40014000U && address < 0x40016000U) ||
           (address >= 0x40100000U && address < 0x40101000U) ||
           (address >= 0x40200000U && address < 0x40202000U) ||
           (address >= 0x40300000U && address < 0x40301000U) || address == 0x40210540U ||
           (address >= 0x40310000U && address < 0x40330000U);
}

static void on_store(void *user, uint32_t address)
{
    (void)user;
    if (address - RAM < WINDOW_SIZE) {
        uint32_t first = address - RAM < PIECE ? RAM : address - PIECE;
        uint32_t left = RAM + WINDOW_SIZE - first;

        watch.stores++;
        look_at(first, left < 3 * PIECE ? left : 3 * PIECE);
    } else if (is_protection(address)) {
        watch.changes++;
        look_everywhere();
    }
}

static void install(struct board *board, uint32_t key_version, uint8_t key, bool learn)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };
    struct proto_statement statement;
    struct proto_envelope_header header;
    size_t length = 0;

    board_identify(board, &statement);
    header = authority_header(&board->authority, &statement, key_version);
    for (uint8_t i = 0; i < PROTO_ROOT_KEY_SIZE; i++)
        plain[PROTO_ROOT_KEY_SIZE + i] = (uint8_t)(key + 29 * i);
    authority_seal(&board->authority, &header, statement.public_key, plain, envelope, receipt_key);
    assert_int_equal(
        board_ask(board, PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length), PROTO_OK);
    if (learn) {
        add_key(plain + PROTO_ROOT_KEY_SIZE, PROTO_ROOT_KEY_SIZE);
        add_key(receipt_key, sizeof(receipt_key));
    }
}

static void ask(struct board *board, uint32_t command)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    assert_int_equal(board_ask(board, command, NULL, 0, answer, &length), PROTO_OK);
}

/* A whole life, from the first power-on to the boot after the lock. */
static void live(struct board *board, bool learn)
{
    uint8_t row[PROTO_VAULT_HOME_SIZE];

    board_power_cycle(board);
    (void)board_hello(board);
    install(board, 1, 0x11, learn);
    ask(board, PROTO_CMD_SELF_TEST);
    ask(board, PROTO_CMD_RECEIPT);
    board_power_cycle(board);
    install(board, 2, 0x87, learn);
    assert_true(sim_chip_test_read(board->chip, PROTO_VAULT_HOME_0, row, sizeof(row)));
    if (learn) {
        add_key(row + SECRET_AT, 32);
        add_key(row + DH_AT, 32);
    }
    for (uint32_t i = 0; i < 32; i += PIECE)
        assert_true(is_key(row + SECRET_AT + i) && is_key(row + DH_AT + i));
    assert_true(is_key(row + APP_AT));
    assert_true(is_key(row + RECEIPT_AT));
    ask(board, PROTO_CMD_LOCK);
    board_secure_cycle(board, 400);
    assert_false(board_listens(board));
}

static void no_key_is_visible_at_any_store(void **state)
{
    struct board board;

    (void)state;
    board_secure_make(&board, 0, required);
    live(&board, true);
    board_done(&board);

    board_secure_make(&board, 0, required);
    watch.board = &board;
    sim_chip_test_on_store(board.chip, RAM, WINDOW_SIZE, on_store, NULL);
    live(&board, false);
    print_message("%u stores to visible memory, %u changes of protection, %llu bytes looked at, "
                  "%zu pieces of keys; %u leaks\n",
        watch.stores, watch.changes, (unsigned long long)watch.bytes, keys.count, watch.leaks);
    /* The port opened twice, with all its memory emptied word by word; three boots protected. */
    assert_true(watch.stores > 2 * WINDOW_SIZE / 4 && watch.changes >= 3 * 45);
    if (watch.leaks > 0)
        fail_msg("a key at 0x%08X", watch.first_leak);
    board_done(&board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_key_is_visible_at_any_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
