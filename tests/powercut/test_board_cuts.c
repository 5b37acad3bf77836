/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts on the real image: the board loses power before, in the middle of and after every
 * flash operation of identify and install, with several patterns of what a cut leaves behind; then
 * it is powered again and worked to the end as a station would. Each case must end with one grant,
 * the granted keys in both homes, and a join-request that the authority's key verifies.
 *
 * usage: test_board_cuts IMAGE [--seconds N] [--soak]
 */
#include "base/cmac.h"
#include "base/hash.h"
#include "tests/support/desk.h"
#include "tests/unit/device-fw/authority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define PATTERNS_SLICE 4U  /* one of each kind */
#define PATTERNS_SOAK  64U /* each kind with 16 seeds */

struct run {
    const char *image_path;
    double seconds; /* 0 = no limit */
    unsigned patterns;
    struct desk_image image;
    struct authority authority;
    struct desk start; /* image on it, booted, vault empty */
};

/* What the KMS remembers of the one unit: a grant is idempotent on key and nonce. */
struct books {
    bool granted;
    struct proto_statement statement;
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    bool confirmed;
    const char *complaint; /* a rule that was broken; NULL while well */
};

static const uint8_t root_keys[PROTO_ENVELOPE_PLAIN_SIZE] = { [16] = 0xA0,
    0xA1,
    0xA2,
    0xA3,
    0xA4,
    0xA5,
    0xA6,
    0xA7,
    0xB0,
    0xB1,
    0xB2,
    0xB3,
    0xB4,
    0xB5,
    0xB6,
    0xB7 };

static void ask_for_grant(
    const struct run *run, struct books *books, const struct proto_statement *statement)
{
    if (books->granted) {
        if (memcmp(books->statement.public_key, statement->public_key, PROTO_PUBLIC_KEY_SIZE) !=
            0) {
            books->complaint = "another identity key after a grant";
        } else if (memcmp(books->statement.nonce, statement->nonce, PROTO_NONCE_SIZE) != 0) {
            books->complaint = "another nonce while a grant is open";
        }
        return;
    }
    books->granted = true;
    books->statement = *statement;
    struct proto_envelope_header header = authority_header(&run->authority, statement, 1);
    authority_seal(&run->authority, &header, statement->public_key, root_keys, books->envelope,
        books->receipt_key);
}

static void confirm(struct books *books, const uint8_t *receipt)
{
    struct proto_receipt decoded;
    authority_check_receipt(books->receipt_key, books->envelope, receipt, &decoded);
    books->confirmed = true;
}

/* One attempt to finish the unit, as a station would. False: the board went away. */
static bool work(const struct run *run, struct desk *desk, struct books *books)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;
    uint32_t status = 0;
    struct proto_hello hello;
    if (desk_call(desk, PROTO_CMD_HELLO, NULL, 0, &status, answer, &length) != BASE_OK) {
        return false;
    }
    assert_int_equal(proto_hello_decode(answer, length, &hello), PROTO_OK);
    if (hello.health != PROTO_OK) {
        books->complaint = proto_status_text(hello.health);
        return true;
    }
    if (hello.vault_state == PROTO_VAULT_COMMITTED) {
        if (desk_call(desk, PROTO_CMD_RECEIPT, NULL, 0, &status, answer, &length) != BASE_OK) {
            return false;
        }
        assert_int_equal(status, PROTO_OK);
        confirm(books, answer);
        return true;
    }
    if (desk_call(desk, PROTO_CMD_STATEMENT, run->authority.key_id, PROTO_KEY_ID_SIZE, &status,
            answer, &length) != BASE_OK) {
        return false;
    }
    assert_int_equal(status, PROTO_OK);
    struct proto_statement statement;
    authority_check_statement(&run->authority, answer, &statement);
    ask_for_grant(run, books, &statement);
    if (books->complaint != NULL) {
        return true;
    }
    if (desk_call(desk, PROTO_CMD_INSTALL, books->envelope, PROTO_ENVELOPE_SIZE, &status, answer,
            &length) != BASE_OK) {
        return false;
    }
    assert_true(status == PROTO_OK || status == PROTO_ALREADY);
    confirm(books, answer);
    return true;
}

/* Both homes hold the same record, and it works: a join-request under the granted key. */
static const char *examine_end(struct desk *desk, const struct books *books)
{
    if (books->complaint != NULL) {
        return books->complaint;
    }
    if (!books->confirmed) {
        return "the unit did not end confirmed";
    }
    uint8_t home[2][PROTO_VAULT_HOME_SIZE];
    assert_true(
        sim_chip_test_read(desk->board->chip, PROTO_VAULT_HOME_0, home[0], PROTO_VAULT_HOME_SIZE));
    assert_true(
        sim_chip_test_read(desk->board->chip, PROTO_VAULT_HOME_1, home[1], PROTO_VAULT_HOME_SIZE));
    if (memcmp(home[0], home[1], PROTO_VAULT_HOME_SIZE) != 0) {
        return "the two homes differ at rest";
    }
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;
    desk_expect(desk, PROTO_CMD_SELF_TEST, NULL, 0, PROTO_OK, answer, &length);
    assert_int_equal(length, PROTO_JOIN_REQUEST_SIZE);
    uint8_t mac[16];
    struct base_err err = { 0 };
    assert_int_equal(
        base_cmac_aes128(root_keys + 16, answer, PROTO_JOIN_REQUEST_SIZE - 4, mac, &err), BASE_OK);
    return memcmp(mac, answer + PROTO_JOIN_REQUEST_SIZE - 4, 4) == 0
               ? NULL
               : "the join-request's MIC is not made with the granted key";
}

/* NULL when the case ends right, otherwise what is wrong. @p damage stands for a planted bug. */
static const char *run_case(
    const struct run *run, const struct sim_power_cut *cut, void (*damage)(struct desk *desk))
{
    struct desk desk;
    struct books books = { 0 };
    desk_fork(&run->start, &desk);
    desk_open_mailbox(&desk);
    sim_chip_set_power_cut(desk.board->chip, cut);
    bool finished = work(run, &desk, &books);
    const char *verdict = NULL;
    if (!finished || !sim_chip_powered(desk.board->chip)) {
        sim_chip_set_power_cut(desk.board->chip, NULL);
        sim_chip_set_power(desk.board->chip, false);
        if (damage != NULL) {
            damage(&desk);
        }
        sim_chip_set_power(desk.board->chip, true);
        desk_replug(&desk);
        desk_boot(&desk);
        books.confirmed = false;
        if (!work(run, &desk, &books)) {
            verdict = "the board went away without a cut";
        }
    }
    if (verdict == NULL) {
        verdict = examine_end(&desk, &books);
    }
    desk_done(&desk);
    return verdict;
}

static uint64_t operations_of_golden_run(const struct run *run)
{
    struct desk desk;
    struct books books = { 0 };
    desk_fork(&run->start, &desk);
    desk_open_mailbox(&desk);
    assert_true(work(run, &desk, &books));
    uint64_t last = sim_chip_flash_operations(desk.board->chip);
    assert_null(examine_end(&desk, &books));
    desk_done(&desk);
    return last;
}

static double now_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void each_operation_is_cut(void **state)
{
    const struct run *run = *state;
    uint64_t first = sim_chip_flash_operations(run->start.board->chip) + 1;
    uint64_t last = operations_of_golden_run(run);
    assert_true(last >= first + 7);
    double end = now_seconds() + run->seconds;
    unsigned done = 0, bad = 0;
    unsigned total = (unsigned)(last - first + 1) * (2 + run->patterns);
    for (unsigned pattern = 0; pattern < run->patterns; pattern++) {
        for (uint64_t operation = first; operation <= last; operation++) {
            for (int when = SIM_CUT_BEFORE; when <= SIM_CUT_AFTER; when++) {
                if (pattern > 0 && when != SIM_CUT_DURING) {
                    continue; /* the pattern matters in the middle only */
                }
                if (run->seconds > 0 && now_seconds() > end) {
                    continue;
                }
                const struct sim_power_cut cut = {
                    .when = (enum sim_cut_when)when, .operation = operation, .pattern = pattern
                };
                const char *verdict = run_case(run, &cut, NULL);
                done++;
                if (verdict != NULL) {
                    bad++;
                    print_message("operation %u of %u, when %d, pattern %u: %s\n",
                        (unsigned)(operation - first + 1), (unsigned)(last - first + 1), when,
                        pattern, verdict);
                }
            }
        }
    }
    print_message("# power cuts: %u of %u cases done, %u bad; flash operations %u\n", done, total,
        bad, (unsigned)(last - first + 1));
    assert_int_equal(bad, 0);
    assert_true(done >= 1);
}

static void erase_both_homes(struct desk *desk)
{
    static const uint8_t blank[PROTO_VAULT_HOME_SIZE];
    assert_true(sim_chip_test_write(desk->board->chip, PROTO_VAULT_HOME_0, blank, sizeof(blank)));
    assert_true(sim_chip_test_write(desk->board->chip, PROTO_VAULT_HOME_1, blank, sizeof(blank)));
}

/* The harness can fail: a vault that loses its record in a cut after the grant is noticed. */
static void a_lost_vault_is_noticed(void **state)
{
    const struct run *run = *state;
    uint64_t last = operations_of_golden_run(run);
    const struct sim_power_cut cut = { .when = SIM_CUT_BEFORE, .operation = last };
    assert_null(run_case(run, &cut, NULL));
    assert_non_null(run_case(run, &cut, erase_both_homes));
}

static struct run the_run = { .seconds = 60, .patterns = PATTERNS_SLICE };

static int setup(void **state)
{
    struct run *run = &the_run;
    *state = run;
    authority_init(&run->authority, 1);
    desk_image_load(&run->image, run->image_path, run->authority.public_key, true);
    desk_init(&run->start, 1);
    desk_program(&run->start, &run->image);
    desk_boot(&run->start);
    return 0;
}

static int teardown(void **state)
{
    struct run *run = *state;
    desk_done(&run->start);
    desk_image_done(&run->image);
    authority_done(&run->authority);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--soak") == 0) {
            the_run.seconds = 0;
            the_run.patterns = PATTERNS_SOAK;
        } else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
            the_run.seconds = strtod(argv[++i], NULL);
        } else {
            the_run.image_path = argv[i];
        }
    }
    if (the_run.image_path == NULL) {
        (void)fputs("usage: test_board_cuts IMAGE [--seconds N] [--soak]\n", stderr);
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_is_cut),
        cmocka_unit_test(a_lost_vault_is_noticed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
