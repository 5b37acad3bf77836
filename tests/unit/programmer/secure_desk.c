/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/programmer/secure_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sim/chip_test.h"

void secure_plan_init(struct secure_plan *plan)
{
    static const uint8_t required[4] = { 0xBF, 0xFF, 0xBB, 0xF7 };
    uint8_t modulus[PRG_PSOC6_RSA_BYTES];
    uint8_t key[PRG_PSOC6_KEY_SIZE];
    for (size_t i = 0; i < sizeof(modulus); i++) {
        modulus[i] = vector_modulus[sizeof(modulus) - 1 - i];
    }
    memset(plan, 0, sizeof(*plan));
    memcpy(plan->image, vector_app, sizeof(vector_app));
    memcpy(plan->image + sizeof(vector_app), vector_signature, sizeof(vector_signature));
    assert_int_equal(prg_psoc6_key_encode(modulus, 65537, key, NULL), BASE_OK);
    assert_int_equal(prg_psoc6_target_make(plan->image, sizeof(plan->image), key, sizeof(key),
                         required, &plan->target, NULL),
        BASE_OK);
    plan->permit = (struct prg_permit){ .id = "p-1", .acts = PRG_ACT_REHEARSE | PRG_ACT_RESTRICT };
    memcpy(plan->permit.image_sha256, plan->target.image_sha256, 32);
    memcpy(plan->permit.key_sha256, plan->target.key_sha256, 32);
    memcpy(plan->permit.secure_hash, plan->target.secure_hash, 16);
    plan->opts.mailbox = SECURE_TRIGGER;
}

void secure_poke(struct desk *desk, uint32_t address, uint32_t value)
{
    assert_true(sim_chip_test_write(desk->board->chip, address, &value, sizeof(value)));
}

void secure_program(struct desk *desk, const struct secure_plan *plan)
{
    uint8_t bytes[sizeof(plan->image)];
    struct prg_segment segment = { SECURE_APP, sizeof(bytes), bytes };
    const struct prg_image whole = {
        .segments = &segment, .count = 1, .total_bytes = sizeof(bytes)
    };
    enum prg_psoc6_change change;
    memcpy(bytes, plan->image, sizeof(bytes));
    desk_acquire(desk);
    assert_int_equal(prg_psoc6_program(desk->chip, &whole, NULL, NULL, &change, NULL), BASE_OK);
    assert_int_equal(prg_psoc6_write_toc2(desk->chip, &change, NULL), BASE_OK);
}

void secure_desk_init(struct desk *desk, const struct secure_plan *plan)
{
    static const struct sim_kitprog_opts on_board = { .model = SIM_KITPROG_ON_BOARD };
    desk_init_kitprog(desk, &on_board);
    secure_program(desk, plan);
}

enum base_status secure_rehearse(
    struct desk *desk, const struct secure_plan *plan, struct base_err *err)
{
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    enum base_status status =
        prg_psoc6_rehearse_do(desk->chip, &plan->target, &plan->permit, &change, err);
    return status == BASE_OK ? prg_psoc6_rehearse_check(desk->chip, &plan->target, err) : status;
}

enum base_status secure_restrict(
    struct desk *desk, const struct secure_plan *plan, struct base_err *err)
{
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    enum base_status status =
        prg_psoc6_restrict_do(desk->chip, &plan->target, &plan->permit, &plan->opts, &change, err);
    return status == BASE_OK ? prg_psoc6_restrict_check(desk->chip, &plan->opts, err) : status;
}

bool secure_fuses_are(const struct desk *desk, const struct secure_plan *plan, bool all)
{
    uint8_t fuses[PRG_PSOC6_FUSE_BYTES];
    uint8_t wanted[0x2CU - 0x14U] = { 0 };
    assert_true(sim_chip_test_read(desk->board->chip, SECURE_FUSES, fuses, sizeof(fuses)));
    wanted[0x2B - 0x14] = all ? 5 : 1;
    if (all) {
        memcpy(wanted, plan->target.secure_hash, 16);
        wanted[0x26 - 0x14] = plan->target.zeros;
        memcpy(wanted + (0x27 - 0x14), plan->target.restrictions, 4);
    }
    return memcmp(fuses + 0x14, wanted, sizeof(wanted)) == 0;
}
