/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>

#include "tests/unit/device-fw/cuts.h"

#include <cmocka.h>

#include "device-fw/protocol/layout.h"

#define STUCK_BITS 3U

static void note_operation(
    void *user, uint64_t operation, bool is_erase, uint32_t address, uint32_t length)
{
    struct cut_watch *watch = user;

    (void)operation;
    (void)is_erase;
    (void)length;
    watch->address = address;
    if (watch->first_ps == 0)
        watch->first_ps = sim_chip_time_ps(watch->chip);
}

void cut_watch_begin(struct cut_watch *watch, struct sim_chip *chip)
{
    *watch = (struct cut_watch){ .chip = chip };
    sim_chip_test_on_flash(chip, note_operation, watch);
}

void cut_watch_end(const struct cut_watch *watch)
{
    sim_chip_test_on_flash(watch->chip, NULL, NULL);
}

static bool is_stuck(uint32_t kind)
{
    return kind >= 2 && (kind - 2U) % CUT_GARBAGE == CUT_GARBAGE - 1U;
}

void cut_plan(struct sim_chip *chip, uint32_t operation, uint32_t kind)
{
    struct sim_power_cut cut = {
        .when = kind == 0                     ? SIM_CUT_BEFORE
                : kind == 1 || is_stuck(kind) ? SIM_CUT_AFTER
                                              : SIM_CUT_DURING,
        .operation = sim_chip_flash_operations(chip) + operation,
        .pattern = kind < 2 ? 0 : kind / CUT_GARBAGE * 0x9E34U + (kind - 2U) % CUT_GARBAGE % 4U,
    };

    sim_chip_set_power_cut(chip, &cut);
}

void cut_stick(struct sim_chip *chip, uint32_t address, uint32_t kind)
{
    uint32_t random = kind * 2654435761U + address;
    uint8_t byte = 0;

    for (unsigned i = 0; is_stuck(kind) && i < STUCK_BITS; i++) {
        uint32_t at = address / PROTO_VAULT_HOME_SIZE * PROTO_VAULT_HOME_SIZE;

        random = random * 1664525U + 1013904223U;
        at += (random >> 16) % PROTO_VAULT_HOME_SIZE;
        assert_true(sim_chip_test_read(chip, at, &byte, 1));
        byte ^= (uint8_t)(1U << (random >> 8) % 8U);
        assert_true(sim_chip_test_write(chip, at, &byte, 1));
    }
}
