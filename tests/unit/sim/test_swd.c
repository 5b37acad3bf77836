/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/swd_host.h"

#include <string.h>

static void jtag_after_power_on(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start(&f);
    swd_host_send_bits(&f, swd_host_line_reset, 64);
    assert_int_equal(swd_host_header(&f, R_DPIDR), NOBODY);
    swd_host_send_bits(&f, swd_host_jtag_to_swd, 136);
    swd_host_expect_dpidr(&f);
    swd_host_send_bits(&f, swd_host_swd_to_jtag, 80);
    swd_host_send_bits(&f, swd_host_line_reset, 64);
    assert_int_equal(swd_host_header(&f, R_DPIDR), NOBODY);
    swd_host_send_bits(&f, swd_host_jtag_to_swd, 136);
    swd_host_expect_dpidr(&f);
}

static void exact_read_packet(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start(&f);
    swd_host_send_bits(&f, swd_host_jtag_to_swd, 136);
    uint64_t before = f.swd.clocks;
    uint64_t time = f.swd.time_ps;
    uint8_t request = R_DPIDR;
    swd_host_send_bits(&f, &request, 8);
    assert_int_equal(swd_host_receive(&f, 1), 1); /* turnaround */
    assert_int_equal(swd_host_receive(&f, 3), OK);
    assert_int_equal(swd_host_receive(&f, 32), 0x6BA02477);
    assert_int_equal(swd_host_receive(&f, 1), __builtin_parity(0x6BA02477));
    assert_int_equal(swd_host_receive(&f, 1), 1); /* turnaround */
    assert_int_equal(f.swd.clocks - before, 46);
    assert_int_equal(f.swd.time_ps - time, 46 * UINT64_C(1000000));
    assert_int_equal(f.chip.time_ps, time + 8 * UINT64_C(1000000));
}

static void line_reset_needs_50_ones_and_2_idle(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start_connected(&f);
    swd_host_send_idle(&f, 1); /* or the turnaround before it, high too, counts */
    swd_host_send_ones(&f, 49);
    swd_host_send_idle(&f, 2);
    assert_int_equal(swd_host_header(&f, R_DPIDR), NOBODY);
    swd_host_send_ones(&f, 50);
    swd_host_send_idle(&f, 1);
    assert_int_equal(swd_host_header(&f, R_DPIDR), NOBODY);
    swd_host_send_idle(&f, 2);
    swd_host_send_ones(&f, 50);
    swd_host_send_idle(&f, 2);
    swd_host_expect_dpidr(&f);
    swd_host_send_ones(&f, 300);
    swd_host_send_idle(&f, 20);
    swd_host_expect_dpidr(&f);
}

/* Stop at every bit of a read, a write and a refused access, then reset the line. */
static void line_reset_from_every_bit(void **state)
{
    (void)state;
    static const unsigned requests[] = { R_DPIDR, W_CTRL, R_DRW, W_DRW, W_TARGET };
    for (size_t r = 0; r < sizeof(requests) / sizeof(requests[0]); r++) {
        for (unsigned stop = 0; stop < 50; stop++) {
            for (int drive = 0; drive < 2; drive++) {
                struct swd_host f;
                swd_host_start_connected(&f);
                for (unsigned i = 0; i < stop; i++) {
                    bool bit = i < 8 && (requests[r] >> i & 1U) != 0;
                    (void)sim_swd_clock(&f.swd, bit, i < 8 || drive != 0);
                }
                swd_host_send_bits(&f, swd_host_line_reset, 64);
                swd_host_expect_dpidr(&f);
            }
        }
    }
}

static void first_access_must_read_dpidr(void **state)
{
    (void)state;
    static const unsigned refused[] = { R_CTRL, W_ABORT, W_CTRL, W_SELECT, R_RDBUFF, R_CSW, W_DRW };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct swd_host f;
        swd_host_start_connected(&f);
        swd_host_send_bits(&f, swd_host_line_reset, 64);
        assert_int_equal(swd_host_header(&f, refused[i]), NOBODY);
        /* Lost until the next line reset. */
        (void)swd_host_receive(&f, 34);
        assert_int_equal(swd_host_header(&f, R_DPIDR), NOBODY);
        swd_host_send_bits(&f, swd_host_line_reset, 64);
        swd_host_expect_dpidr(&f);
    }
}

static void damaged_header_is_not_answered(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit < 8; bit++) {
        struct swd_host f;
        swd_host_start_connected(&f);
        /* One flip in address, direction, port, parity, stop or park is always seen. */
        assert_int_equal(swd_host_header(&f, R_CTRL ^ (1U << bit)), NOBODY);
        (void)swd_host_receive(&f, 34);
        swd_host_send_bits(&f, swd_host_line_reset, 64);
        swd_host_expect_dpidr(&f);
    }
}

static void dormant_and_back(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start_connected(&f);
    swd_host_send_bits(&f, swd_host_swd_to_dormant, 72);
    assert_int_equal(swd_host_header(&f, R_DPIDR), NOBODY);
    swd_host_send_bits(&f, swd_host_jtag_to_swd, 128 - 56);
    assert_int_equal(f.swd.mode, SIM_SWD_MODE_DORMANT);
    swd_host_send_bits(&f, swd_host_dormant_to_swd, 224);
    swd_host_expect_dpidr(&f);

    swd_host_start(&f); /* JTAG, as OpenOCD finds it on its second way in */
    swd_host_send_bits(&f, swd_host_jtag_to_dormant, 40);
    assert_int_equal(f.swd.mode, SIM_SWD_MODE_DORMANT);
    swd_host_send_bits(&f, swd_host_dormant_to_swd, 224);
    swd_host_expect_dpidr(&f);
    /* The same noise in SWD: the line reset at its end brings the port back. */
    swd_host_send_bits(&f, swd_host_jtag_to_dormant, 40);
    swd_host_send_bits(&f, swd_host_dormant_to_swd, 224);
    swd_host_expect_dpidr(&f);
}

static void failed_wake_recovers(void **state)
{
    (void)state;
    for (unsigned bit = 8; bit < 8 + 128 + 12; bit++) {
        struct swd_host f;
        uint8_t damaged[sizeof(swd_host_dormant_to_swd)];
        memcpy(damaged, swd_host_dormant_to_swd, sizeof(damaged));
        damaged[bit / 8] = (uint8_t)(damaged[bit / 8] ^ (1U << (bit % 8)));
        swd_host_start_connected(&f);
        swd_host_send_bits(&f, swd_host_swd_to_dormant, 72);
        swd_host_send_bits(&f, damaged, 152);
        assert_int_not_equal(f.swd.mode, SIM_SWD_MODE_SWD);
        swd_host_send_bits(&f, swd_host_line_reset, 64);
        swd_host_send_bits(&f, swd_host_jtag_to_swd, 136);
        swd_host_expect_dpidr(&f);
    }
}

static void no_answer_without_pins(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start_connected(&f);
    f.chip.connected = false;
    assert_int_equal(swd_host_header(&f, R_DPIDR), NOBODY);
    swd_host_send_bits(&f, swd_host_line_reset, 64);
    f.chip.connected = true;
    /* The line reset was not seen. */
    assert_int_equal(swd_host_header(&f, R_DPIDR), NOBODY);
    swd_host_send_bits(&f, swd_host_line_reset, 64);
    swd_host_expect_dpidr(&f);
}

static void power_up_and_banked_registers(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start_connected(&f);
    assert_int_equal(swd_host_get(&f, R_CTRL), 0);
    swd_host_put(&f, W_CTRL, 0x10000000);
    assert_int_equal(swd_host_get(&f, R_CTRL), 0x30000000);
    assert_true(f.chip.debug_power);
    swd_host_put(&f, W_CTRL, POWER_UP);
    assert_int_equal(swd_host_get(&f, R_CTRL), 0xF0000000);
    swd_host_put(&f, W_SELECT, 2);
    assert_int_equal(swd_host_get(&f, R_CTRL), TARGET_ID);
    swd_host_put(&f, W_SELECT, 3);
    assert_int_equal(swd_host_get(&f, R_CTRL), 1);
    swd_host_put(&f, W_SELECT, 1);
    assert_int_equal(swd_host_get(&f, R_CTRL), 0x40);
    swd_host_put(&f, W_CTRL, 0x300); /* turnaround of 4 from the next packet on */
    f.turn = 4;
    assert_int_equal(swd_host_get(&f, R_CTRL), 0x340);
    swd_host_put(&f, W_CTRL, 0x000);
    f.turn = 1;
    swd_host_put(&f, W_SELECT, 0);
    assert_int_equal(swd_host_get(&f, R_CTRL), 0xF0000000);
    swd_host_put(&f, W_CTRL, 0);
    assert_int_equal(swd_host_get(&f, R_CTRL), 0);
    assert_false(f.chip.debug_power);
}

static void ap_needs_power(void **state)
{
    (void)state;
    struct swd_host f;
    uint32_t value;
    swd_host_start_connected(&f);
    assert_int_equal(swd_host_read_reg(&f, R_CSW, &value), FAULT);
    assert_int_equal(swd_host_get(&f, R_CTRL), 0x20);
    assert_int_equal(swd_host_write_reg(&f, W_CTRL, POWER_UP), FAULT);
    swd_host_put(&f, W_ABORT, CLEAR_ALL);
    swd_host_put(&f, W_CTRL, POWER_UP);
    (void)swd_host_get(&f, R_CSW);
    assert_int_equal(swd_host_get(&f, R_RDBUFF), 0x43000042);
}

static void posted_reads(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start_powered(&f);
    for (uint32_t i = 0; i < 4; i++) {
        fake_chip_set_word(&f.chip, FAKE_BASE + 4 * i, 0xA0 + i);
    }
    swd_host_put(&f, W_TAR, FAKE_BASE);
    (void)swd_host_get(&f, R_DRW);
    assert_int_equal(swd_host_get(&f, R_DRW), 0xA0);
    assert_int_equal(swd_host_get(&f, R_DRW), 0xA1);
    assert_int_equal(swd_host_get(&f, R_RESEND), 0xA1);
    assert_int_equal(swd_host_get(&f, R_RDBUFF), 0xA2);
    assert_int_equal(swd_host_get(&f, R_RESEND), 0xA2);
    assert_int_equal(swd_host_get(&f, R_RDBUFF), 0xA2);
    assert_int_equal(swd_host_get(&f, R_CTRL), 0xF0000040); /* READOK */
    (void)swd_host_get(&f, R_TAR);
    assert_int_equal(swd_host_get(&f, R_RDBUFF), FAKE_BASE + 12);
    swd_host_put(&f, W_SELECT, 0x070000F0); /* no such port */
    (void)swd_host_get(&f, R_DRW);
    assert_int_equal(swd_host_get(&f, R_RDBUFF), 0);
    swd_host_put(&f, W_SELECT, 0x020000F0);
    (void)swd_host_get(&f, R_DRW);
    assert_int_equal(swd_host_get(&f, R_RDBUFF), 0x24770011);
}

static void writes_reach_memory(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start_powered(&f);
    swd_host_put(&f, W_TAR, FAKE_BASE + 0x100);
    swd_host_put(&f, W_DRW, 0x12345678);
    swd_host_put(&f, W_DRW, 0xFFFFFFFF);
    swd_host_put(&f, W_DRW, 0x9ABCDEF0);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 0x100), 0x12345678);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 0x104), 0xFFFFFFFF);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 0x108), 0x9ABCDEF0);
    assert_int_equal(f.chip.last_ap, SIM_AP_CM0);
    assert_int_equal(f.chip.time_ps, f.swd.time_ps);
}

static void bus_error_is_sticky(void **state)
{
    (void)state;
    struct swd_host f;
    uint32_t value;
    swd_host_start_powered(&f);
    swd_host_put(&f, W_TAR, 0x30000000);
    (void)swd_host_get(&f, R_DRW); /* posted: the error shows at the next access */
    assert_int_equal(swd_host_read_reg(&f, R_RDBUFF, &value), FAULT);
    assert_int_equal(swd_host_read_reg(&f, R_DRW, &value), FAULT);
    assert_int_equal(swd_host_write_reg(&f, W_SELECT, 0), FAULT);
    assert_int_equal(swd_host_read_reg(&f, R_RESEND, &value), FAULT);
    assert_int_equal(swd_host_get(&f, R_CTRL) & 0xB2, 0x20);
    swd_host_expect_dpidr(&f);
    swd_host_put(&f, W_ABORT, 0x1A); /* all but STKERRCLR */
    assert_int_equal(swd_host_read_reg(&f, R_DRW, &value), FAULT);
    swd_host_put(&f, W_ABORT, 0x04);
    swd_host_put(&f, W_TAR, FAKE_BASE);
    swd_host_put(&f, W_DRW, 3);
    assert_int_equal(swd_host_get(&f, R_CTRL) & 0xB2, 0);
    f.chip.ap_enabled[SIM_AP_CM0] = false;
    swd_host_put(&f, W_DRW, 4);
    assert_int_equal(swd_host_read_reg(&f, R_RDBUFF, &value), FAULT);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 4), 0);
}

static void write_parity_error(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start_powered(&f);
    swd_host_put(&f, W_TAR, FAKE_BASE);
    assert_int_equal(swd_host_write_with_parity(&f, W_DRW, 0x55, false), OK);
    assert_int_equal(swd_host_get(&f, R_CTRL) & 0xB2, 0x80);
    assert_int_equal(swd_host_write_reg(&f, W_DRW, 0x55), FAULT);
    swd_host_put(&f, W_ABORT, 0x08);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE), 0);
    swd_host_put(&f, W_DRW, 0x55);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE), 0x55);
}

static void wait_and_dapabort(void **state)
{
    (void)state;
    struct swd_host f;
    uint32_t value;
    swd_host_start_powered(&f);
    fake_chip_set_word(&f.chip, FAKE_BASE, 0x77);
    swd_host_put(&f, W_TAR, FAKE_BASE);
    f.chip.waits = 3;
    (void)swd_host_get(&f, R_DRW);
    assert_int_equal(swd_host_read_reg(&f, R_RDBUFF, &value), WAIT);
    assert_int_equal(swd_host_get(&f, R_CTRL) & 0xB2, 0); /* always answered */
    assert_int_equal(swd_host_write_reg(&f, W_SELECT, 0), WAIT);
    assert_int_equal(swd_host_get(&f, R_RDBUFF), 0x77);
    assert_int_equal(f.swd.waits, 2);
    f.chip.waits_for_ever = true;
    swd_host_put(&f, W_DRW, 0x99);
    assert_int_equal(swd_host_write_reg(&f, W_DRW, 0x98), WAIT);
    swd_host_expect_dpidr(&f);
    swd_host_put(&f, W_ABORT, 1);
    f.chip.waits_for_ever = false;
    swd_host_put(&f, W_DRW, 0x97);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 4), 0x97);
}

static void overrun_detection(void **state)
{
    (void)state;
    struct swd_host f;
    uint32_t value;
    swd_host_start_powered(&f);
    swd_host_put(&f, W_TAR, FAKE_BASE);
    swd_host_put(&f, W_CTRL, POWER_UP | 1);
    f.data_phase = true; /* every acknowledge has a data phase from now on */
    f.chip.waits = 2;
    swd_host_put(&f, W_DRW, 1);
    assert_int_equal(swd_host_write_reg(&f, W_DRW, 2), WAIT);
    assert_int_equal(swd_host_write_reg(&f, W_DRW, 3), FAULT);
    assert_int_equal(swd_host_read_reg(&f, R_DRW, &value), FAULT);
    assert_int_equal(swd_host_get(&f, R_CTRL) & 0xB3, 0x03);
    swd_host_put(&f, W_ABORT, 0x10);
    swd_host_put(&f, W_DRW, 4);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE), 1);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 4), 4);
}

static void pushed_compare_and_verify(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start_powered(&f);
    fake_chip_set_word(&f.chip, FAKE_BASE, 0x11223344);
    swd_host_put(&f, W_CSW, 0x23000002);
    swd_host_put(&f, W_TAR, FAKE_BASE);
    swd_host_put(&f, W_CTRL, POWER_UP | 0xF04); /* pushed verify, all lanes */
    swd_host_put(&f, W_DRW, 0x11223344);
    assert_int_equal(swd_host_get(&f, R_CTRL) & 0xB2, 0);
    swd_host_put(&f, W_DRW, 0x11223345);
    assert_int_equal(swd_host_get(&f, R_CTRL) & 0xB2, 0x10);
    swd_host_put(&f, W_ABORT, 0x02);
    swd_host_put(&f, W_CTRL, POWER_UP | 0xE04); /* the differing lane is left out */
    swd_host_put(&f, W_DRW, 0x11223345);
    assert_int_equal(swd_host_get(&f, R_CTRL) & 0xB2, 0);
    swd_host_put(&f, W_CTRL, POWER_UP | 0xF08); /* pushed compare */
    swd_host_put(&f, W_DRW, 0);
    assert_int_equal(swd_host_get(&f, R_CTRL) & 0xB2, 0);
    swd_host_put(&f, W_DRW, 0x11223344);
    assert_int_equal(swd_host_get(&f, R_CTRL) & 0xB2, 0x10);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE), 0x11223344);
}

static void chip_reset_clears_the_ports(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start_powered(&f);
    swd_host_put(&f, W_TAR, FAKE_BASE + 0x40);
    f.chip.reset_count++;
    assert_int_equal(swd_host_header(&f, R_DPIDR), NOBODY);
    swd_host_send_bits(&f, swd_host_line_reset, 64);
    swd_host_expect_dpidr(&f);
    assert_int_equal(swd_host_get(&f, R_CTRL), 0);
    swd_host_put(&f, W_CTRL, POWER_UP);
    swd_host_put(&f, W_SELECT, 0x01000000);
    (void)swd_host_get(&f, R_TAR);
    assert_int_equal(swd_host_get(&f, R_CSW), 0);
    assert_int_equal(swd_host_get(&f, R_RDBUFF), 0x43000042);
    /* A reset long before a line reset does not spoil it. */
    f.chip.reset_count++;
    swd_host_send_bits(&f, swd_host_line_reset, 64);
    swd_host_expect_dpidr(&f);
}

static uint32_t select_target(struct swd_host *f, uint32_t id)
{
    uint8_t request = W_TARGET;
    swd_host_send_bits(f, &request, 8);
    uint32_t seen = swd_host_receive(f, 5);
    uint8_t bytes[5] = { (uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16), (uint8_t)(id >> 24),
        (uint8_t)__builtin_parity(id) };
    swd_host_send_bits(f, bytes, 33);
    return seen;
}

static void targetsel(void **state)
{
    (void)state;
    struct swd_host f;
    swd_host_start_connected(&f);
    swd_host_send_bits(&f, swd_host_line_reset, 64);
    assert_int_equal(select_target(&f, TARGET_ID & 0x0FFFFFFF), 0x1F); /* nobody drives */
    swd_host_expect_dpidr(&f);
    swd_host_send_bits(&f, swd_host_line_reset, 64);
    (void)select_target(&f, 0x01002927);
    assert_int_equal(swd_host_header(&f, R_DPIDR), NOBODY);
    swd_host_send_bits(&f, swd_host_line_reset, 64);
    swd_host_expect_dpidr(&f);
    /* Not allowed later. */
    (void)select_target(&f, TARGET_ID & 0x0FFFFFFF);
    assert_int_equal(swd_host_header(&f, R_DPIDR), NOBODY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jtag_after_power_on),
        cmocka_unit_test(exact_read_packet),
        cmocka_unit_test(line_reset_needs_50_ones_and_2_idle),
        cmocka_unit_test(line_reset_from_every_bit),
        cmocka_unit_test(first_access_must_read_dpidr),
        cmocka_unit_test(damaged_header_is_not_answered),
        cmocka_unit_test(dormant_and_back),
        cmocka_unit_test(failed_wake_recovers),
        cmocka_unit_test(no_answer_without_pins),
        cmocka_unit_test(power_up_and_banked_registers),
        cmocka_unit_test(ap_needs_power),
        cmocka_unit_test(posted_reads),
        cmocka_unit_test(writes_reach_memory),
        cmocka_unit_test(bus_error_is_sticky),
        cmocka_unit_test(write_parity_error),
        cmocka_unit_test(wait_and_dapabort),
        cmocka_unit_test(overrun_detection),
        cmocka_unit_test(pushed_compare_and_verify),
        cmocka_unit_test(chip_reset_clears_the_ports),
        cmocka_unit_test(targetsel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
