/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cut before, during and after every flash operation of an order's envelope (rework,
 * zeroise), on a locked board whose application runs on the CM4 and has passed it to the key
 * service. Half-done cells hold five kinds of garbage from several seeds; the repair at the next
 * boot may be cut as well; one more case takes the power after the receipt was sent.
 *
 * At the next boot both homes hold the old record or the new one, byte for byte, and the port is
 * closed. With the old one the board joins by its old keys, has no receipt, and takes the same
 * envelope; with the new one it gives the receipt by itself. In the end the receipt is the one of
 * the undisturbed board, the old keys lie nowhere in flash or RAM, the board joins by the new keys
 * or says that it has none, and an envelope with a version that was used is refused.
 *
 * Takes the time LPA_SECONDS says for all of them (default 12, 0 = no limit) and prints cases done
 * of total. An argument chooses a scene by name. On an image that does not repair the vault the
 * test must fail, and so with "leftover" as the second argument, which leaves an old key in RAM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/device-fw/air_cuts.h"

#define DEFAULT_SECONDS 12L
#define LIMIT_PS        (6000000U * SIM_PS_PER_US)
#define FLASH_SIZE      0x100000U
#define NEW_VERSION     2U
#define ANSWER(status)  (SVC_STATUS_DEVICE | (uint32_t)(status))

struct scene {
    const char *name;
    bool is_1_1;
    enum proto_purpose purpose;
};

static const struct scene scenes[] = {
    { "rework 1.0", false, PROTO_PURPOSE_REWORK },
    { "rework 1.1", true, PROTO_PURPOSE_REWORK },
    { "zeroise 1.0", false, PROTO_PURPOSE_ZEROISE },
    { "zeroise 1.1", true, PROTO_PURPOSE_ZEROISE },
};

#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

static const struct scene *scene;
static struct air air; /* right before the envelope's first flash operation */
static struct network old_network;
static struct network new_network;
static struct proto_statement statement; /* that the envelope is for */
static uint8_t envelope[PROTO_ENVELOPE_SIZE];
static uint8_t receipt[PROTO_RECEIPT_SIZE]; /* of the undisturbed board */
static uint8_t old_row[PROTO_VAULT_HOME_SIZE];
static uint8_t new_row[PROTO_VAULT_HOME_SIZE];
static bool leaves_key;

/* ---- what the application is asked ---- */

static void take_statement(struct air *of, struct proto_statement *ret_statement)
{
    const struct authority *authority = &of->app.board.authority;
    uint8_t bytes[NETWORK_FRAME_MAX];
    size_t length = 0;

    app_board_tell(&of->app, APP_RADIO_STATEMENT, authority->key_id, PROTO_KEY_ID_SIZE);
    app_board_hear(&of->app, APP_RADIO_STATEMENT, ANSWER(PROTO_OK), bytes, &length);
    authority_check_statement(authority, bytes, ret_statement);
}

/* The receipt by itself or for the envelope once more; must be the undisturbed board's. */
static void take_receipt(struct air *of, uint32_t kind, enum proto_status status)
{
    bool whole = kind == APP_RADIO_ENVELOPE;
    uint8_t bytes[NETWORK_FRAME_MAX];
    size_t length = 0;

    app_board_tell(&of->app, kind, envelope, whole ? sizeof(envelope) : 0);
    app_board_hear(&of->app, kind, ANSWER(status), bytes, &length);
    if (status == PROTO_OK || status == PROTO_ALREADY)
        assert_memory_equal(bytes, receipt, sizeof(receipt));
}

/* The application asks to join by itself: new keys, and a DevNonce that begins again; or none. */
static void expect_new_join(struct air *of)
{
    uint8_t bytes[NETWORK_FRAME_MAX];
    size_t length = 0;

    of->app.network = new_network;
    if (scene->purpose == PROTO_PURPOSE_ZEROISE) {
        app_board_hear(&of->app, APP_RADIO_LORA, SVC_NO_KEYS, bytes, &length);
        return;
    }
    of->dev_nonce = -1;
    air_listen(of);
}

/* ---- what the memory holds ---- */

static bool holds(const struct sim_chip *chip, uint32_t base, uint32_t size, const uint8_t key[16])
{
    static uint8_t memory[FLASH_SIZE];

    assert_true(size <= sizeof(memory) && sim_chip_test_read(chip, base, memory, size));
    return memmem(memory, size, key, 16) != NULL;
}

static bool is_anywhere(const struct sim_chip *chip, const uint8_t key[16])
{
    return holds(chip, PROTO_VAULT_HOME_0, 0x8000U, key) ||
           holds(chip, 0x10000000U, FLASH_SIZE, key) || holds(chip, 0x08000000U, 0x48000U, key);
}

static void check_keys(const struct air *of)
{
    struct sim_chip *chip = of->app.board.chip;

    if (leaves_key)
        assert_true(sim_chip_test_write(chip, 0x0803F000U, old_network.app_key, 16));
    assert_true(is_anywhere(chip, statement.public_key + 1)); /* the search finds what is there */
    assert_false(is_anywhere(chip, old_network.app_key));
    if (scene->is_1_1)
        assert_false(is_anywhere(chip, old_network.nwk_key));
    if (scene->purpose == PROTO_PURPOSE_REWORK)
        assert_true(is_anywhere(chip, new_network.app_key));
}

/* ---- after the cut ---- */

static void check_old(struct air *victim)
{
    struct proto_statement again;

    victim->app.network = old_network;
    air_ask_join(victim, SVC_JOIN_TYPE);
    air_listen(victim);
    take_receipt(victim, APP_RADIO_RECEIPT, PROTO_NO_RECORD);
    take_statement(victim, &again);
    assert_memory_equal(again.nonce, statement.nonce, sizeof(again.nonce));
    assert_int_equal(again.key_version, NEW_VERSION - 1U);
    take_receipt(victim, APP_RADIO_ENVELOPE, PROTO_OK);
    expect_new_join(victim);
}

/* An envelope for the board as it stands, with a version that was used. */
static void refuse_used_version(struct air *victim)
{
    const struct network kept = victim->app.network;
    struct proto_statement now;
    uint8_t stale[PROTO_ENVELOPE_SIZE];
    uint8_t key[PROTO_HASH_SIZE];
    uint8_t bytes[NETWORK_FRAME_MAX];
    size_t length = 0;

    take_statement(victim, &now);
    assert_int_equal(now.key_version, NEW_VERSION);
    assert_int_equal(now.vault_state, PROTO_VAULT_LOCKED);
    assert_memory_not_equal(now.nonce, statement.nonce, sizeof(now.nonce));
    app_board_seal(&victim->app, &now, PROTO_PURPOSE_REWORK, NEW_VERSION, stale, key);
    victim->app.network = kept;
    app_board_tell(&victim->app, APP_RADIO_ENVELOPE, stale, sizeof(stale));
    app_board_hear(&victim->app, APP_RADIO_ENVELOPE, ANSWER(PROTO_OLD_KEY_VERSION), bytes, &length);
}

/* The application has just come up. */
static void check(struct air *victim)
{
    struct sim_chip *chip = victim->app.board.chip;
    uint8_t row[PROTO_VAULT_HOME_SIZE];

    sim_chip_set_flash_time(chip, AIR_CUTS_FLASH_PERCENT);
    assert_true(sim_chip_swd_connected(chip));
    for (unsigned ap = 0; ap < SIM_AP_COUNT; ap++)
        assert_false(sim_chip_ap_enabled(chip, (enum sim_ap)ap));
    air_cuts_read_homes(victim, row);
    if (memcmp(row, new_row, sizeof(row)) != 0) {
        assert_memory_equal(row, old_row, sizeof(row));
        check_old(victim);
    } else {
        expect_new_join(victim);
    }
    take_receipt(victim, APP_RADIO_RECEIPT, PROTO_OK);
    take_receipt(victim, APP_RADIO_ENVELOPE, PROTO_ALREADY);
    check_keys(victim);
    refuse_used_version(victim);
    board_check_vault(&victim->app.board);
}

/* ---- a scene ---- */

/* A board in a session, and the order's envelope for it. */
static void prepare(void)
{
    uint8_t key[PROTO_HASH_SIZE];

    air_init(&air, scene->is_1_1 ? PROTO_LORAWAN_1_1 : PROTO_LORAWAN_1_0);
    air_give_accept(&air);
    air_listen(&air);
    take_statement(&air, &statement);
    air_cuts_read_homes(&air, old_row);
    old_network = air.app.network;
    app_board_seal(&air.app, &statement, scene->purpose, NEW_VERSION, envelope, key);
    new_network = air.app.network;
    assert_memory_not_equal(old_network.app_key, new_network.app_key, 16);
    assert_true(is_anywhere(air.app.board.chip, old_network.app_key));
}

/* The envelope on a board that nothing happens to but that its power goes in the end; then stop the
 * other board right before its first operation. */
static void approach(void)
{
    struct air scout;
    struct cut_watch watch;
    uint64_t begun;
    size_t length = 0;
    uint8_t bytes[NETWORK_FRAME_MAX];

    app_board_tell(&air.app, APP_RADIO_ENVELOPE, envelope, sizeof(envelope));
    scout = air_fork(&air);
    begun = sim_chip_flash_operations(scout.app.board.chip);
    cut_watch_begin(&watch, scout.app.board.chip);
    app_board_hear(&scout.app, APP_RADIO_ENVELOPE, ANSWER(PROTO_OK), bytes, &length);
    assert_int_equal(length, sizeof(receipt));
    memcpy(receipt, bytes, sizeof(receipt));
    cut_watch_end(&watch);
    assert_int_equal(sim_chip_flash_operations(scout.app.board.chip) - begun, AIR_CUTS_OPERATIONS);
    air_cuts_read_homes(&scout, new_row);
    assert_memory_not_equal(old_row, new_row, sizeof(new_row));
    check_keys(&scout);
    assert_true(app_board_boot(&scout.app));
    check(&scout);
    sim_chip_free(scout.app.board.chip);
    sim_chip_run_until(air.app.board.chip, watch.first_ps - AIR_CUTS_NEAR_PS);
}

static size_t scenes_chosen = SCENES;

static void cut_everywhere(void **state)
{
    struct air_cuts cuts = {
        .scenes = scenes_chosen, .seconds = DEFAULT_SECONDS, .limit_ps = LIMIT_PS, .check = check
    };
    clock_t start;

    scene = *state;
    cuts.name = scene->name;
    prepare();
    approach();
    start = clock();
    air_cuts_all(&cuts, &air, start);
    air_done(&air);
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[SCENES];

    for (size_t i = 0; i < SCENES; i++)
        tests[i] = (struct CMUnitTest){ .name = scenes[i].name,
            .test_func = cut_everywhere,
            .initial_state = (void *)(uintptr_t)&scenes[i] };
    scenes_chosen = air_cuts_choose(argc, argv, SCENES, "leftover", &leaves_key);
    return _cmocka_run_group_tests("order cuts", tests, SCENES, NULL, NULL);
}
