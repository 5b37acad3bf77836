/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/device-fw/air_cuts.h"

#include <cmocka.h>

#define REPAIR_CUTS 3U /* none, in the first operation of the repair, in the second */
#define CASES       (AIR_CUTS_OPERATIONS * CUT_KINDS * REPAIR_CUTS)
#define STRIDE      55U /* coprime to CASES, so that a slice is spread over all */

void air_cuts_read_homes(const struct air *air, uint8_t ret_row[PROTO_VAULT_HOME_SIZE])
{
    board_check_vault(&air->app.board);
    assert_true(sim_chip_test_read(
        air->app.board.chip, PROTO_VAULT_HOME_0, ret_row, PROTO_VAULT_HOME_SIZE));
}

/* Let a planned cut strike, if flash is written before the application is up, and boot. */
static void boot(struct air *victim, uint32_t kind)
{
    struct cut_watch watch;
    bool up;

    cut_watch_begin(&watch, victim->app.board.chip);
    up = app_board_boot(&victim->app);
    cut_watch_end(&watch);
    sim_chip_set_power_cut(victim->app.board.chip, NULL);
    if (up)
        return;
    cut_stick(victim->app.board.chip, watch.address, kind);
    assert_true(app_board_boot(&victim->app));
}

/* One case: @p number says where the power goes. */
static void cut(const struct air_cuts *cuts, const struct air *air, uint32_t number)
{
    struct air victim = air_fork(air);
    struct sim_chip *chip = victim.app.board.chip;
    uint64_t end = sim_chip_time_ps(chip) + cuts->limit_ps;
    uint32_t repair = number % REPAIR_CUTS;
    uint32_t kind = number / REPAIR_CUTS % CUT_KINDS;
    struct cut_watch watch;

    cut_plan(chip, 1 + number / (REPAIR_CUTS * CUT_KINDS), kind);
    cut_watch_begin(&watch, chip);
    while (sim_chip_powered(chip)) {
        assert_true(sim_chip_time_ps(chip) < end && !app_board_has_sent(&victim.app));
        sim_chip_run_until(chip, sim_chip_time_ps(chip) + AIR_CUTS_NEAR_PS);
    }
    cut_watch_end(&watch);
    sim_chip_set_power_cut(chip, NULL);
    cut_stick(chip, watch.address, kind);
    if (repair > 0)
        cut_plan(chip, repair, (kind + number) % CUT_KINDS);
    boot(&victim, (kind + number) % CUT_KINDS);
    cuts->check(&victim);
    sim_chip_free(chip);
}

static bool is_over(const struct air_cuts *cuts, clock_t start)
{
    const char *text = getenv("LPA_SECONDS");
    long budget = text == NULL || *text == '\0' ? cuts->seconds : strtol(text, NULL, 10);

    return budget != 0 && (clock() - start) * (long)cuts->scenes / CLOCKS_PER_SEC >= budget;
}

void air_cuts_all(const struct air_cuts *cuts, const struct air *air, clock_t start)
{
    uint32_t done = 0;

    while (done < CASES && (done == 0 || !is_over(cuts, start))) {
        cut(cuts, air, done * STRIDE % CASES);
        done++;
    }
    print_message("%s: %u of %u cases\n", cuts->name, done + 1U, CASES + 1U);
}

size_t air_cuts_choose(
    int argc, char **argv, size_t scenes, const char *planted, bool *ret_is_planted)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    *ret_is_planted = argc > 2 && strcmp(argv[2], planted) == 0;
    return argc > 1 ? 1 : scenes;
}
