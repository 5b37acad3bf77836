/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers, register access by register access. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/bootloader/chip.h"
#include "device-fw/bootloader/debug.h"
#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/hardened.h"
#include "device-fw/bootloader/protect.h"
#include "device-fw/bootloader/srom.h"
#include "device-fw/bootloader/trng.h"
#include "tests/unit/device-fw/chip.h"

static int setup(void **state)
{
    (void)state;
    chip_new(1);
    return 0;
}

static void expect(const struct chip_access *expected, size_t expected_count)
{
    size_t count = 0;
    const struct chip_access *access = chip_trace_stop(&count);

    for (size_t i = 0; i < expected_count && i < count; i++) {
        if (access[i].write != expected[i].write || access[i].address != expected[i].address ||
            access[i].value != expected[i].value)
            fail_msg("access %zu: %s 0x%08X 0x%08X", i, access[i].write ? "write" : "read",
                access[i].address, access[i].value);
    }
    assert_int_equal(count, expected_count);
}

#define EXPECT(...)                                                                                \
    do {                                                                                           \
        const struct chip_access expected[] = { __VA_ARGS__ };                                     \
        expect(expected, sizeof(expected) / sizeof(expected[0]));                                  \
    } while (0)
#define RD(address, value)                                                                         \
    {                                                                                              \
        false, (address), (value)                                                                  \
    }
#define WR(address, value)                                                                         \
    {                                                                                              \
        true, (address), (value)                                                                   \
    }

static void system_call_takes_the_lock_and_waits(void **state)
{
    uint8_t value = 0;

    (void)state;
    chip.fuse[0x2B] = 0x5A;
    chip_trace_start();
    assert_true(bl_srom_read_fuse(0x2B, &value));
    EXPECT(RD(0x40230000, 0x80000000), WR(0x4023000C, 0x08010000), RD(0x40231008, 0),
        WR(0x40231008, 0x00010000), WR(0x40230008, 1), RD(0x40230010, 0));
    assert_int_equal(value, 0x5A);
}

static void system_call_tells_a_refusal(void **state)
{
    struct bl_srom_block block = { { 0x99000000U, 0, 0, 0 } };
    uint8_t value = 0xEE;

    (void)state;
    assert_false(bl_srom_call(&block));
    assert_int_equal(block.word[0], 0xF000000BU);
    assert_false(bl_srom_read_fuse(200, &value));
    assert_int_equal(value, 0xEE);
    chip.ipc_stuck = true;
    assert_false(bl_srom_read_fuse(0x2B, &value));
    assert_false(bl_srom_erase_row(PROTO_VAULT_HOME_0));
    assert_false(bl_srom_program_row(PROTO_VAULT_HOME_0, &value));
}

#define PROTECTION_COUNT 48U /* registers */

/* The registers that decide, with what they hold. */
static const struct {
    uint32_t address, value;
} protection[] = {
    /* Privileged read and write, contexts 0 and 1, sizes 512 B and 32 KiB, enabled. */
    { 0x40242200, 0x14000000 },
    { 0x40242204, 0x88000318 },
    { 0x40242240, 0x100C0000 },
    { 0x40242244, 0x88000318 },
    { 0x40242280, 0x08010000 },
    { 0x40242284, 0x8E000318 },
    /* The image, 6/8 of 64 KiB: context 4 reads and executes. */
    { 0x402422C0, 0x100000C0 },
    { 0x402422C4, 0xCF00116D },
    /* The layer's memory, 7/8 of 32 KiB: contexts 1 and 2. */
    { 0x40242300, 0x08040080 },
    { 0x40242304, 0x8E00075B },
    /* IPC structs 0 to 2 and interrupt struct 0: contexts 1 and 5. */
    { 0x40201004, 0x8000235B },
    { 0x40201044, 0x8000235B },
    { 0x40201084, 0x8000235B },
    { 0x40201204, 0x8000235B },
    { 0x40201024, 0x80000240 },
    /* Crypto block: context 1. CPU subsystem: contexts 2 and 4 read. Contexts and SMPU: all read.
     */
    { 0x40100044, 0x8000035B },
    { 0x40200044, 0xC0001549 },
    { 0x40240000, 0x00060301 },
    { 0x40201604, 0x8000FF49 },
    /* The CM0+'s context: 1 and 2 read, their privileged code writes. */
    { 0x40201644, 0x80000759 },
    { 0x40201704, 0x8000FF49 },
    /* Nobody else takes a free programmable unit. */
    { 0x40014024, 0x80000240 },
    { 0x40014224, 0x80000240 },
    /* Crypto block to context 1, CM4 to 4, debug port to 5. */
    { 0x40240004, 0x00020303 },
    { 0x40244400, 1 },
    { 0x40240038, 0x00100303 },
    { 0x40247800, 4 },
    { 0x4024003C, 0x00200303 },
    { 0x40247C00, 5 },
};

/* Each register is written, then read. */
static void protection_is_set_and_read_back(void **state)
{
    const struct chip_access *access;
    size_t count = 0;
    size_t next = 0;

    (void)state;
    chip_trace_start();
    assert_true(bl_protect_apply());
    access = chip_trace_stop(&count);
    assert_int_equal(count, 2 * PROTECTION_COUNT);
    for (size_t i = 0; i < count; i += 2) {
        assert_true(access[i].write && !access[i + 1].write);
        assert_int_equal(access[i].address, access[i + 1].address);
    }
    for (size_t i = 0; i < sizeof(protection) / sizeof(protection[0]); i++) {
        for (next = 0; next < count && access[next].address != protection[i].address; next += 2) {
        }
        assert_true(next < count);
        if (access[next].value != protection[i].value)
            fail_msg("0x%08X: 0x%08X", protection[i].address, access[next].value);
    }
    chip_trace_start();
    assert_true(bl_protect_holds());
    access = chip_trace_stop(&count);
    assert_int_equal(count, PROTECTION_COUNT);
    for (size_t i = 0; i < count; i++)
        assert_false(access[i].write);
}

/* Any single register that does not take its value is noticed, then and later. */
static void every_deaf_register_is_noticed(void **state)
{
    struct chip_access written[PROTECTION_COUNT];
    const struct chip_access *access;
    size_t count = 0;

    (void)state;
    chip_trace_start();
    assert_true(bl_protect_apply());
    access = chip_trace_stop(&count);
    for (size_t i = 0; i < PROTECTION_COUNT; i++)
        written[i] = access[2 * i];
    for (size_t i = 0; i < PROTECTION_COUNT; i++) {
        chip_power_on();
        chip.deaf_register = written[i].address;
        assert_false(bl_protect_apply());
        assert_false(bl_protect_holds());
        chip.deaf_register = 0;
        assert_true(bl_protect_apply());
        bl_hal_write32(written[i].address, written[i].value ^ 1U << 1);
        assert_false(bl_protect_holds());
    }
}

static void port_opens_for_the_system_port_alone(void **state)
{
    (void)state;
    chip_trace_start();
    assert_true(bl_debug_open(BL_YES));
    EXPECT(WR(0x40210540, 0x00030004), RD(0x40210540, 0x00030004), RD(0x40310064, 0),
        RD(0x40320328, 0), WR(0x40320328, 0xBA000000), WR(0x40310064, 0x1D1D0000));
    chip_power_on();
    bl_hal_write32(0x40310064, 0x05060708);
    chip_trace_start();
    bl_debug_shut();
    EXPECT(WR(0x40210540, 0x00070000), RD(0x40310064, 0x05060708), RD(0x40320328, 0),
        WR(0x40320328, 0xBA000000), WR(0x40310064, 0x1D1D0708));
    chip_power_on();
    chip_trace_start();
    assert_false(bl_debug_open(BL_NO));
    EXPECT(WR(0x40210540, 0x00070000), RD(0x40310064, 0), RD(0x40320328, 0),
        WR(0x40320328, 0xBA000000), WR(0x40310064, 0x1D1D0000));
    chip_power_on();
    chip.deaf_register = 0x40210540;
    assert_false(bl_debug_open(BL_YES));
}

static void noise_source_is_started_and_drawn_from(void **state)
{
    uint32_t word = 0;
    size_t count = 0;
    const struct chip_access *access;

    (void)state;
    chip_trace_start();
    bl_trng_start();
    EXPECT(WR(0x40110000, 0x80000003), WR(0x40110280, 0x30030000), WR(0x401102A0, 0x04C11DB7),
        WR(0x401102A4, 0x04C11DB7), WR(0x40110284, 0x3F), WR(0x401102C0, 2), WR(0x401102D0, 41),
        WR(0x401102E0, 1023U << 16 | 793U), WR(0x401102C8, 3));
    chip_trace_start();
    assert_true(bl_trng_read(&word));
    access = chip_trace_stop(&count);
    assert_int_equal(count, 6);
    assert_int_equal(access[0].address, 0x401107C0);
    assert_int_equal(access[0].value, 8);
    assert_int_equal(access[5].address, 0x40110288);
    assert_int_equal(access[5].value, word);
    chip.noise = CHIP_NOISE_MONITOR;
    assert_false(bl_trng_read(&word));
    chip_power_on();
    bl_trng_start();
    chip.noise = CHIP_NOISE_SILENT;
    assert_false(bl_trng_read(&word));
}

static void life_cycle_needs_both_sources(void **state)
{
    static const struct {
        uint32_t protection;
        uint8_t fuse;
        uint8_t lifecycle;
    } cases[] = {
        { 0, 1, PROTO_LIFECYCLE_UNKNOWN },
        { 1, 0, PROTO_LIFECYCLE_VIRGIN },
        { 2, 0, PROTO_LIFECYCLE_NORMAL },
        { 2, 1, PROTO_LIFECYCLE_NORMAL },
        { 2, 5, PROTO_LIFECYCLE_UNKNOWN },
        { 3, 1, PROTO_LIFECYCLE_UNKNOWN },
        { 3, 3, PROTO_LIFECYCLE_SECURE_WITH_DEBUG },
        { 3, 5, PROTO_LIFECYCLE_SECURE },
        { 3, 7, PROTO_LIFECYCLE_SECURE_WITH_DEBUG },
        { 3, 13, PROTO_LIFECYCLE_RMA },
        { 4, 5, PROTO_LIFECYCLE_DEAD },
    };
    struct bl_chip ret;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        chip.protection = cases[i].protection;
        chip.fuse[0x2B] = cases[i].fuse;
        bl_chip_read(&ret);
        assert_int_equal(ret.lifecycle, cases[i].lifecycle);
        assert_false(bl_chip_is_restricted(&ret));
    }
    chip.ipc_stuck = true;
    bl_chip_read(&ret);
    assert_int_equal(ret.lifecycle, PROTO_LIFECYCLE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(system_call_takes_the_lock_and_waits, setup),
        cmocka_unit_test_setup(system_call_tells_a_refusal, setup),
        cmocka_unit_test_setup(protection_is_set_and_read_back, setup),
        cmocka_unit_test_setup(every_deaf_register_is_noticed, setup),
        cmocka_unit_test_setup(port_opens_for_the_system_port_alone, setup),
        cmocka_unit_test_setup(noise_source_is_started_and_drawn_from, setup),
        cmocka_unit_test_setup(life_cycle_needs_both_sources, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
