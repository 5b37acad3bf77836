/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/ap.h"
#include "tests/unit/sim/fake_chip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CSW_WORD_SINGLE 0x23000012U

struct fixture {
    struct sim_chip chip;
    struct sim_ap_port port;
};

static void start(struct fixture *f, enum sim_ap id)
{
    fake_chip_init(&f->chip);
    sim_ap_init(&f->port, id);
}

static enum sim_bus_result get(struct fixture *f, uint8_t reg, uint32_t *ret_value)
{
    sim_ap_begin(&f->port, reg, false, 0);
    return sim_ap_step(&f->port, &f->chip, ret_value);
}

static uint32_t read_ok(struct fixture *f, uint8_t reg)
{
    uint32_t value = 0xDEADBEEF;
    assert_int_equal(get(f, reg, &value), SIM_BUS_OK);
    return value;
}

static enum sim_bus_result put(struct fixture *f, uint8_t reg, uint32_t value)
{
    uint32_t unused = 0;
    sim_ap_begin(&f->port, reg, true, value);
    return sim_ap_step(&f->port, &f->chip, &unused);
}

static void write_ok(struct fixture *f, uint8_t reg, uint32_t value)
{
    assert_int_equal(put(f, reg, value), SIM_BUS_OK);
}

static void identities(void **state)
{
    (void)state;
    static const uint32_t idr[] = { 0x84770001, 0x84770001, 0x24770011 };
    static const uint32_t base[] = { 0xF1000003, 0xF0000003, 0xE00FF003 };
    for (int i = 0; i < SIM_AP_COUNT; i++) {
        struct fixture f;
        start(&f, (enum sim_ap)i);
        assert_int_equal(read_ok(&f, SIM_AP_IDR), idr[i]);
        assert_int_equal(read_ok(&f, SIM_AP_BASE), base[i]);
        assert_int_equal(read_ok(&f, SIM_AP_CFG), 0);
        assert_int_equal(read_ok(&f, SIM_AP_TAR), 0);
        assert_int_equal(read_ok(&f, 0x08), 0);
        f.chip.ap_enabled[i] = false;
        assert_int_equal(read_ok(&f, SIM_AP_IDR), 0);
        assert_int_equal(read_ok(&f, SIM_AP_BASE), 0);
    }
}

static void csw_keeps_only_what_is_supported(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, SIM_AP_CM0);
    assert_int_equal(read_ok(&f, SIM_AP_CSW), 0x43000042);
    write_ok(&f, SIM_AP_CSW, 0xA2000022); /* packed */
    assert_int_equal(read_ok(&f, SIM_AP_CSW), 0xA2000042);
    write_ok(&f, SIM_AP_CSW, 0xA2FFFFDB); /* size 3, increment single, garbage between */
    assert_int_equal(read_ok(&f, SIM_AP_CSW), 0xA2000052);
    write_ok(&f, SIM_AP_CSW, 0x00000031); /* increment 3 is reserved */
    assert_int_equal(read_ok(&f, SIM_AP_CSW), 0x00000041);
    f.chip.ap_enabled[SIM_AP_CM0] = false;
    assert_int_equal(read_ok(&f, SIM_AP_CSW), 0x00000001);

    start(&f, SIM_AP_CM4);
    write_ok(&f, SIM_AP_CSW, 0xA2000022);
    assert_int_equal(read_ok(&f, SIM_AP_CSW), 0xA2000062);
}

static void words_and_wrap_at_1_kib(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, SIM_AP_SYS);
    write_ok(&f, SIM_AP_CSW, CSW_WORD_SINGLE);
    write_ok(&f, SIM_AP_TAR, FAKE_BASE + 0x7FC);
    write_ok(&f, SIM_AP_DRW, 0x11223344);
    assert_int_equal(read_ok(&f, SIM_AP_TAR), FAKE_BASE + 0x400);
    write_ok(&f, SIM_AP_DRW, 0x55667788);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 0x7FC), 0x11223344);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 0x400), 0x55667788);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 0x800), 0);
    assert_int_equal(f.chip.last_size, 4);
    assert_true(f.chip.last_privileged);
    write_ok(&f, SIM_AP_CSW, 0x20000002);
    write_ok(&f, SIM_AP_TAR, FAKE_BASE + 0x7FC);
    assert_int_equal(read_ok(&f, SIM_AP_DRW), 0x11223344);
    assert_int_equal(read_ok(&f, SIM_AP_TAR), FAKE_BASE + 0x7FC);
    assert_false(f.chip.last_privileged);
}

static void byte_and_half_lanes(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, SIM_AP_SYS);
    write_ok(&f, SIM_AP_CSW, 0x23000010); /* bytes, single increment */
    write_ok(&f, SIM_AP_TAR, FAKE_BASE + 1);
    write_ok(&f, SIM_AP_DRW, 0xAABBCCDD);
    write_ok(&f, SIM_AP_DRW, 0xAABBCCDD);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE), 0x00BBCC00);
    assert_int_equal(read_ok(&f, SIM_AP_TAR), FAKE_BASE + 3);
    write_ok(&f, SIM_AP_CSW, 0x23000011); /* half words */
    write_ok(&f, SIM_AP_TAR, FAKE_BASE + 2);
    assert_int_equal(read_ok(&f, SIM_AP_DRW), 0x00BB0000);
    write_ok(&f, SIM_AP_TAR, FAKE_BASE + 1);
    assert_int_equal(put(&f, SIM_AP_DRW, 1), SIM_BUS_FAULT);
}

static void packed_moves_a_word_at_once(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, SIM_AP_CM4);
    write_ok(&f, SIM_AP_CSW, 0x23000020);
    write_ok(&f, SIM_AP_TAR, FAKE_BASE + 0x10);
    write_ok(&f, SIM_AP_DRW, 0x04030201);
    assert_int_equal(f.chip.accesses, 4);
    assert_int_equal(f.chip.last_size, 1);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 0x10), 0x04030201);
    assert_int_equal(read_ok(&f, SIM_AP_TAR), FAKE_BASE + 0x14);
    write_ok(&f, SIM_AP_CSW, 0x23000021);
    write_ok(&f, SIM_AP_TAR, FAKE_BASE + 0x10);
    /* A busy bus in the middle loses nothing. */
    sim_ap_begin(&f.port, SIM_AP_DRW, false, 0);
    uint32_t value = 0;
    f.chip.waits = 1;
    assert_int_equal(sim_ap_step(&f.port, &f.chip, &value), SIM_BUS_WAIT);
    assert_int_equal(sim_ap_step(&f.port, &f.chip, &value), SIM_BUS_OK);
    assert_int_equal(value, 0x04030201);
    assert_int_equal(f.chip.accesses, 6);
}

static void banked_words_leave_tar(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, SIM_AP_CM0);
    write_ok(&f, SIM_AP_CSW, CSW_WORD_SINGLE);
    write_ok(&f, SIM_AP_TAR, FAKE_BASE + 0x28);
    for (uint8_t i = 0; i < 4; i++) {
        write_ok(&f, (uint8_t)(SIM_AP_BD0 + 4 * i), 0x100U + i);
    }
    for (uint8_t i = 0; i < 4; i++) {
        assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 0x20 + 4U * i), 0x100U + i);
        assert_int_equal(read_ok(&f, (uint8_t)(SIM_AP_BD0 + 4 * i)), 0x100U + i);
    }
    assert_int_equal(read_ok(&f, SIM_AP_TAR), FAKE_BASE + 0x28);
}

static void closed_port_and_bus_errors(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t value = 7;
    start(&f, SIM_AP_CM0);
    write_ok(&f, SIM_AP_CSW, CSW_WORD_SINGLE);
    write_ok(&f, SIM_AP_TAR, 0x30000000);
    assert_int_equal(get(&f, SIM_AP_DRW, &value), SIM_BUS_FAULT);
    assert_int_equal(value, 7);
    assert_int_equal(read_ok(&f, SIM_AP_TAR), 0x30000000);
    write_ok(&f, SIM_AP_TAR, FAKE_BASE);
    f.chip.ap_enabled[SIM_AP_CM0] = false;
    unsigned before = f.chip.accesses;
    assert_int_equal(put(&f, SIM_AP_DRW, 1), SIM_BUS_FAULT);
    assert_int_equal(get(&f, SIM_AP_BD0, &value), SIM_BUS_FAULT);
    assert_int_equal(f.chip.accesses, before);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE), 0);
}

static void abort_drops_the_access(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, SIM_AP_CM0);
    write_ok(&f, SIM_AP_TAR, FAKE_BASE);
    f.chip.waits_for_ever = true;
    assert_int_equal(put(&f, SIM_AP_DRW, 5), SIM_BUS_WAIT);
    sim_ap_abort(&f.port);
    f.chip.waits_for_ever = false;
    uint32_t value = 9;
    assert_int_equal(sim_ap_step(&f.port, &f.chip, &value), SIM_BUS_OK);
    assert_int_equal(value, 9);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities),
        cmocka_unit_test(csw_keeps_only_what_is_supported),
        cmocka_unit_test(words_and_wrap_at_1_kib),
        cmocka_unit_test(byte_and_half_lanes),
        cmocka_unit_test(packed_moves_a_word_at_once),
        cmocka_unit_test(banked_words_leave_tar),
        cmocka_unit_test(closed_port_and_bus_errors),
        cmocka_unit_test(abort_drops_the_access),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
