/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer on the CM0+ (device-fw/bootloader/layer.h) that is started, or calls, when the glitch
 * strikes: tests/device/layer_prober.c, which does what it is told. Judged is what the layer may do
 * whenever its code is about to run, by each of the two things that hold it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "tests/glitch/lab.h"

#include <cmocka.h>

#include "device-fw/protocol/layout.h"
#include "sim/die.h"
#include "tests/device/layer_prober.h"

#define MESSAGE      (SVC_LAYER_BASE + 0x1000U)
#define SRAM         0x08010000U /* the bootloader's */
#define SRAM_END     0x08018000U
#define EXC_RETURN   0xFFFFFFFDU /* to thread mode, on the process stack */
#define CALL_PS      (2000000U * SIM_PS_PER_US)
#define STEP_PS      (100U * SIM_PS_PER_US)
#define PAGE         0x1000U
#define APP_END      0x10080000U
#define PROBER(what) (LAYER_PROBER_ADDRESS + (uint32_t)offsetof(struct layer_prober, what))

const char *const layer_stops[RUN_STOPS] = { "bl_layer_on_call", "bl_layer_on_tick", "bl_fault" };

static uint32_t peek(const struct sim_chip *chip, uint32_t address)
{
    uint8_t word[4] = { 0 };

    assert_true(sim_chip_test_read(chip, address, word, sizeof(word)));
    return base_get_le32(word);
}

static void put(uint32_t address, uint32_t value)
{
    uint8_t word[4];

    base_put_le32(word, value);
    assert_true(sim_chip_test_write(lab.board.chip, address, word, sizeof(word)));
}

/* ---- what it may do ---- */

static bool is_in(uint32_t address, uint32_t base, uint32_t end)
{
    return address >= base && address < end;
}

/* The layer's code is next, or an exception has just interrupted it. */
static bool runs(const struct sim_chip *chip)
{
    const struct sim_core *core = &chip->cm0;
    uint32_t pc = core->r[15];

    if (is_in(pc, PROTO_APPLICATION_ADDRESS, APP_END))
        return true;
    for (unsigned i = 0; i < RUN_STOPS && layer_stops[i] != NULL; i++) {
        if (pc == firmware_symbol(&lab.firmware, layer_stops[i], NULL))
            return core->r[14] == EXC_RETURN;
    }
    return false;
}

/* Places that the MPU leaves to a layer; device-fw/bootloader/layer.c has the same list. */
static bool is_layers(uint32_t page)
{
    return is_in(page, SVC_LAYER_BASE, SVC_LAYER_END) ||
           is_in(page, SVC_COMMON_BASE, SVC_COMMON_END) ||
           is_in(page, PROTO_APPLICATION_ADDRESS, APP_END) ||
           is_in(page, 0x40320000U, 0x40330000U) || is_in(page, 0x40380000U, 0x403A0000U) ||
           is_in(page, 0x40610000U, 0x40700000U);
}

static bool is_mpu_open(const struct sim_chip *chip)
{
    static const uint32_t areas[][2] = { { 0, 0x20000U }, { 0x08000000U, 0x08048000U },
        { 0x10000000U, 0x10100000U }, { 0x14000000U, 0x14008000U }, { 0x16000000U, 0x16008000U },
        { 0x40000000U, 0x40800000U } };

    struct sim_core core = chip->cm0;

    core.active = 0; /* a HardFault is not held by it (DDI 0419 B3.5.1) */
    for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
        for (uint32_t page = areas[i][0]; page < areas[i][1]; page += PAGE) {
            if (!is_layers(page) && sim_core_mpu_perms(&core, page, false) != 0)
                return true;
        }
    }
    return (sim_core_mpu_perms(&core, PROTO_APPLICATION_ADDRESS, false) & SIM_PERM_WRITE) != 0;
}

/* Asked without the core's own MPU. */
static bool is_bus_open(struct sim_chip *chip, uint32_t base, uint32_t end)
{
    struct sim_access access = sim_bus_core_access(&chip->cm0);

    for (uint32_t at = base; at < end; at += 64) {
        for (unsigned privileged = 0; privileged < 2; privileged++) {
            access.privileged = privileged != 0;
            access.kind = SIM_PERM_READ;
            if (sim_prot_smpu_allows(chip, &access, at, true))
                return true;
            access.kind = SIM_PERM_WRITE;
            if (sim_prot_smpu_allows(chip, &access, at, true))
                return true;
        }
    }
    return false;
}

/* NULL: the layer is held by both. */
static const char *find_hole(const struct sim_chip *chip)
{
    struct sim_chip *asked = (struct sim_chip *)(uintptr_t)chip; /* changes nothing when quiet */

    if (is_in(chip->cm0.r[15], PROTO_APPLICATION_ADDRESS, APP_END) && chip->cm0.ipsr != 0)
        return "the layer runs in an exception";
    if (!chip->cm0.unprivileged)
        return "the layer runs with privilege";
    if (chip->regs.context[chip->cm0.master] != SVC_LAYER_CONTEXT)
        return "the layer runs in another's protection context";
    if (is_mpu_open(chip))
        return "the MPU is open";
    if (is_bus_open(asked, PROTO_VAULT_HOME_0, PROTO_VAULT_HOME_0 + PROTO_VAULT_HOME_SIZE) ||
        is_bus_open(asked, PROTO_VAULT_HOME_1, PROTO_VAULT_HOME_1 + PROTO_VAULT_HOME_SIZE) ||
        is_bus_open(asked, SRAM, SRAM_END))
        return "the bus's protection units are open";
    return NULL;
}

static bool has_done(const struct sim_chip *chip)
{
    return peek(chip, PROBER(done)) == peek(chip, PROBER(number)) && chip->cm0.ipsr == 0;
}

bool layer_is_over(void *user, const struct sim_chip *chip)
{
    (void)user;
    return (runs(chip) && find_hole(chip) != NULL) || has_done(chip);
}

static enum verdict judge_hold(const struct sim_chip *chip, const char **ret_why)
{
    const char *why = runs(chip) ? find_hole(chip) : NULL;

    if (why == NULL && runs(chip) && judge_leaks_registers(chip))
        why = "a secret is in the layer's registers";
    if (why == NULL && (judge_leaks(chip, SVC_LAYER_BASE, SVC_LAYER_END) ||
                           judge_leaks(chip, SVC_COMMON_BASE, SVC_COMMON_END)))
        why = "a secret is where the layer reads";
    if (why == NULL)
        return VERDICT_HELD;
    *ret_why = why;
    return VERDICT_BROKEN;
}

enum verdict layer_judge(void *user, const struct sim_chip *chip, const char **ret_why)
{
    enum verdict verdict = judge_hold(chip, ret_why);

    return verdict == VERDICT_BROKEN ? verdict : judge_refused(user, chip, ret_why);
}

enum verdict layer_judge_call(void *user, const struct sim_chip *chip, const char **ret_why)
{
    enum verdict verdict = judge_hold(chip, ret_why);

    return verdict == VERDICT_BROKEN ? verdict : judge_counters(user, chip, ret_why);
}

/* ---- what is done to it ---- */

/* The application is verified and the answer given; where the layer is looked for next. The second
 * core stands still, so that what is disturbed is this one alone. */
void layer_setup_start(void)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    put(PROBER(number), 0);
    put(PROBER(done), 1);
    assert_int_equal(board_ask(&lab.board, PROTO_CMD_RUN, NULL, 0, answer, &length), PROTO_OK);
    assert_true(
        sim_chip_test_run_to(lab.board.chip, firmware_symbol(&lab.firmware, "bl_app_layer", NULL),
            sim_chip_time_ps(lab.board.chip) + CALL_PS));
    lab.board.chip->cm4.halted = true;
}

static void wait_for_layer(void)
{
    uint64_t end = sim_chip_time_ps(lab.board.chip) + CALL_PS;

    while (!layer_is_over(NULL, lab.board.chip)) {
        assert_true(sim_chip_time_ps(lab.board.chip) < end);
        sim_chip_run_until(lab.board.chip, sim_chip_time_ps(lab.board.chip) + STEP_PS);
    }
}

void layer_setup(void)
{
    layer_setup_start();
    wait_for_layer();
}

static void call(uint32_t operation, const void *payload, size_t length)
{
    struct svc_message message = { SVC_VERSION, operation, 0, (uint32_t)length, 0, { 0 } };

    if (length > 0)
        memcpy(message.payload, payload, length);
    assert_true(
        sim_chip_test_write(lab.board.chip, MESSAGE, (const void *)&message, sizeof(message)));
    put(PROBER(command), LAYER_PROBER_CALL);
    put(PROBER(address), MESSAGE);
    put(PROBER(number), 1);
}

void layer_ask_to_join(void)
{
    call(SVC_OP_JOIN_REQUEST, NULL, 0);
}

void layer_give_envelope(void)
{
    call(SVC_OP_ENVELOPE, lab.envelope, sizeof(lab.envelope));
}

/* The second core's answer when it is asked to wait in SRAM. */
bool layer_park(void *user, struct sim_chip *chip)
{
    struct sim_ipc *channel = &chip->regs.ipc[SVC_PARK_CHANNEL];

    (void)user;
    if (!channel->locked || channel->data != SVC_PARK_WANTED)
        return false;
    channel->data = SVC_PARK_DONE;
    return true;
}
