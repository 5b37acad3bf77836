/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cut before, during and after every flash operation of a key service, on a locked board
 * whose application runs on the CM4 and has asked for it: join-request, join-accept, rejoin, uplink
 * and downlink. Half-done cells hold five kinds of garbage from several seeds; the repair at the
 * next boot may be cut as well; one more case takes the power after the answer was sent.
 *
 * At the next boot both homes hold the old record or the new one, byte for byte. The application
 * comes up, no counter that was ever sent comes again, nothing that was ever accepted is accepted
 * again, and the board can join. While flash is written the CM4 stays in SRAM.
 *
 * Takes the time LPA_SECONDS says for all of them (default 8, 0 = no limit) and prints cases done
 * of total. An argument chooses scenes by name. On images that use a counter before it is reserved,
 * or do not repair the vault, the test must fail, and so with "wander" as the second argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/device-fw/air_cuts.h"

#define STEPS_MAX       200U /* services until one reserves counters */
#define WATCH_PS        SIM_PS_PER_US
#define DEFAULT_SECONDS 8L
#define LIMIT_PS        (3000000U * SIM_PS_PER_US)
#define LAST_PS         (4000U * SIM_PS_PER_US) /* within the last operation, which takes 5 ms */

enum step {
    STEP_REQUEST,
    STEP_ACCEPT,
    STEP_UPLINK,
    STEP_DOWNLINK,
};

struct scene {
    const char *name;
    bool is_1_1;
    bool has_session; /* before the step */
    enum step step;
    uint8_t argument; /* JoinReqType, or bytes of payload */
};

static const struct scene scenes[] = {
    { "join-request 1.0", false, false, STEP_REQUEST, SVC_JOIN_TYPE },
    { "join-request 1.1", true, true, STEP_REQUEST, SVC_JOIN_TYPE },
    { "join-accept 1.0", false, false, STEP_ACCEPT, SVC_JOIN_TYPE },
    { "join-accept 1.1", true, true, STEP_ACCEPT, SVC_JOIN_TYPE },
    { "rejoin 0", true, true, STEP_REQUEST, 0 },
    { "rejoin 1", true, true, STEP_REQUEST, 1 },
    { "rejoin 2", true, true, STEP_REQUEST, 2 },
    { "rejoin-accept 0", true, true, STEP_ACCEPT, 0 },
    { "rejoin-accept 1", true, true, STEP_ACCEPT, 1 },
    { "uplink payload 1.0", false, true, STEP_UPLINK, 5 },
    { "uplink MIC 1.1", true, true, STEP_UPLINK, 0 },
    { "downlink 1.0", false, true, STEP_DOWNLINK, 0 },
    { "downlink 1.1", true, true, STEP_DOWNLINK, 0 },
};

#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

static const struct scene *scene;
static struct air air;    /* right before the step's first flash operation */
static struct air before; /* what was known before the step; its board is not used */
static uint8_t old_row[PROTO_VAULT_HOME_SIZE];
static uint8_t new_row[PROTO_VAULT_HOME_SIZE];

/* ---- the step, without a cut ---- */

static void begin(struct air *to)
{
    switch (scene->step) {
    case STEP_ACCEPT:
        air_give_accept(to);
        break;
    case STEP_UPLINK:
        air_ask_uplink(to, scene->argument);
        break;
    case STEP_DOWNLINK:
        air_give_downlink(to);
        break;
    case STEP_REQUEST:
    default:
        air_ask_join(to, scene->argument);
        break;
    }
}

/* From the first operation until the last is nearly over, the CM4 is in SRAM and has not faulted.
 */
static void watch_second_core(struct sim_chip *chip)
{
    uint64_t last = sim_chip_flash_operations(chip) + AIR_CUTS_OPERATIONS - 1U;
    uint64_t end = sim_chip_time_ps(chip) + LIMIT_PS;
    uint64_t over = 0;

    while (over == 0 || sim_chip_time_ps(chip) < over) {
        struct sim_chip_test_core core = sim_chip_test_core(chip, SIM_AP_CM4);

        if (core.pc < SVC_SHARED_BASE || core.pc >= SVC_SHARED_END || core.ipsr != 0)
            fail_msg("CM4 at 0x%08X, ipsr %u, while flash is written", core.pc, core.ipsr);
        assert_true(sim_chip_time_ps(chip) < end);
        sim_chip_run_until(chip, sim_chip_time_ps(chip) + WATCH_PS);
        if (over == 0 && sim_chip_flash_operations(chip) == last)
            over = sim_chip_time_ps(chip) + LAST_PS;
    }
}

static bool wanders; /* the second core leaves SRAM, as a bug would make it do */

/* The step on a board that nothing happens to. When it begins to write flash; 0: it did not. */
static uint64_t rehearse(struct air *scout)
{
    struct sim_chip *chip = scout->app.board.chip;
    struct cut_watch watch;
    uint64_t first = sim_chip_flash_operations(chip);

    cut_watch_begin(&watch, chip);
    while (watch.first_ps == 0 && !app_board_has_sent(&scout->app))
        sim_chip_run_until(chip, sim_chip_time_ps(chip) + AIR_CUTS_NEAR_PS);
    if (wanders)
        sim_chip_test_set_reg(chip, SIM_AP_CM4, 15, PROTO_APPLICATION_ADDRESS + 0x400U);
    if (watch.first_ps != 0)
        watch_second_core(chip);
    air_listen(scout);
    cut_watch_end(&watch);
    if (watch.first_ps != 0)
        assert_int_equal(sim_chip_flash_operations(chip) - first, AIR_CUTS_OPERATIONS);
    return watch.first_ps;
}

/* ---- after the cut ---- */

/* The board has never taken the accept that it was given, but its JoinNonce was seen. */
static void forget_accept(struct air *victim)
{
    uint32_t join_nonce = victim->app.network.join_nonce;

    victim->app.network = before.app.network;
    victim->app.network.join_nonce = join_nonce;
    victim->has_session = before.has_session;
    victim->rj_count[0] = before.rj_count[0];
    memcpy(victim->accept, before.accept, sizeof(victim->accept));
    victim->accept_length = before.accept_length;
    memcpy(victim->down, before.down, sizeof(victim->down));
    victim->down_length = before.down_length;
}

/* The board has never taken the downlink, so that it may take it now. */
static void forget_downlink(struct air *victim)
{
    memcpy(victim->down, before.down, sizeof(victim->down));
    victim->down_length = before.down_length;
}

static void use_session(struct air *victim)
{
    air_ask_uplink(victim, 3);
    air_listen(victim);
    if (victim->down_length > 0)
        air_replay_downlink(victim);
    air_give_downlink(victim);
    air_listen(victim);
    for (uint8_t type = 0; victim->app.network.is_1_1 && type < 3; type++) {
        air_ask_join(victim, type);
        air_listen(victim);
    }
    air_ask_join(victim, SVC_JOIN_TYPE);
    air_listen(victim);
    air_replay_accept(victim);
}

/* The application has just come up. */
static void check(struct air *victim)
{
    uint8_t row[PROTO_VAULT_HOME_SIZE];
    bool is_new;

    sim_chip_set_flash_time(victim->app.board.chip, AIR_CUTS_FLASH_PERCENT);
    air_cuts_read_homes(victim, row);
    is_new = memcmp(row, new_row, sizeof(row)) == 0;
    if (!is_new)
        assert_memory_equal(row, old_row, sizeof(row));
    if (!is_new && scene->step == STEP_ACCEPT)
        forget_accept(victim);
    if (!is_new && scene->step == STEP_DOWNLINK)
        forget_downlink(victim);
    if (victim->has_session)
        use_session(victim);
    else
        air_listen(victim); /* it asks to join by itself */
    air_give_accept(victim);
    air_listen(victim);
    board_check_vault(&victim->app.board);
}

/* ---- a scene ---- */

/* A session in which everything was used once, and a reset that lost what was reserved. */
static void begin_session(struct air *to)
{
    air_give_accept(to);
    air_listen(to);
    air_give_downlink(to);
    air_listen(to);
    for (uint8_t type = 0; to->app.network.is_1_1 && type < 3; type++) {
        air_ask_join(to, type);
        air_listen(to);
    }
    app_board_restart(&to->app);
}

static struct air origin[2][2]; /* by LoRaWAN version, by whether there is a session */
static bool is_made[2][2];

/* Scenes of one kind begin at the same place. */
static const struct air *find_origin(bool is_1_1, bool has_session)
{
    struct air *to = &origin[is_1_1][has_session];

    if (is_made[is_1_1][has_session])
        return to;
    if (has_session) {
        *to = air_fork(find_origin(is_1_1, false));
        begin_session(to);
    } else {
        air_init(to, is_1_1 ? PROTO_LORAWAN_1_1 : PROTO_LORAWAN_1_0);
    }
    is_made[is_1_1][has_session] = true;
    return to;
}

static int free_origins(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        if (is_made[i][1])
            sim_chip_free(origin[i][1].app.board.chip);
        if (is_made[i][0])
            air_done(&origin[i][0]);
    }
    return 0;
}

static void prepare(void)
{
    air = air_fork(find_origin(scene->is_1_1, scene->has_session));
    if (scene->step == STEP_ACCEPT && scene->has_session) {
        air_ask_join(&air, scene->argument);
        air_listen(&air);
    }
}

/* Do the step until it is one that writes flash; stop right before that. The case without a cut,
 * whose power goes after its answer, is checked here. */
static void approach(void)
{
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        struct air scout;
        uint64_t first_ps;

        before = air;
        air_cuts_read_homes(&air, old_row);
        begin(&air);
        scout = air_fork(&air);
        first_ps = rehearse(&scout);
        if (first_ps != 0) {
            air_cuts_read_homes(&scout, new_row);
            assert_memory_not_equal(old_row, new_row, sizeof(new_row));
            assert_true(app_board_boot(&scout.app));
            check(&scout);
            sim_chip_free(scout.app.board.chip);
            sim_chip_run_until(air.app.board.chip, first_ps - AIR_CUTS_NEAR_PS);
            return;
        }
        sim_chip_free(air.app.board.chip);
        air = scout;
    }
    fail_msg("no step reserves anything");
}

static size_t scenes_chosen = SCENES;

static void cut_everywhere(void **state)
{
    struct air_cuts cuts = {
        .scenes = scenes_chosen, .seconds = DEFAULT_SECONDS, .limit_ps = LIMIT_PS, .check = check
    };
    clock_t start = clock();

    scene = *state;
    cuts.name = scene->name;
    prepare();
    approach();
    air_cuts_all(&cuts, &air, start);
    sim_chip_free(air.app.board.chip);
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[SCENES];

    for (size_t i = 0; i < SCENES; i++)
        tests[i] = (struct CMUnitTest){ .name = scenes[i].name,
            .test_func = cut_everywhere,
            .initial_state = (void *)(uintptr_t)&scenes[i] };
    scenes_chosen = air_cuts_choose(argc, argv, SCENES, "wander", &wanders);
    return _cmocka_run_group_tests("service cuts", tests, SCENES, NULL, free_origins);
}
