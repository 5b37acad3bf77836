/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/swd.h"
#include "tests/unit/sim/fake_chip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Headers as in the table of raw bytes, first bit on the wire in bit 0. */
#define R_DPIDR  0xA5U
#define W_ABORT  0x81U
#define R_CTRL   0x8DU
#define W_CTRL   0xA9U
#define R_RESEND 0x95U
#define W_SELECT 0xB1U
#define R_RDBUFF 0xBDU
#define W_TARGET 0x99U
#define R_CSW    0x87U
#define W_CSW    0xA3U
#define R_TAR    0xAFU
#define W_TAR    0x8BU
#define R_DRW    0x9FU
#define W_DRW    0xBBU

#define OK     1U
#define WAIT   2U
#define FAULT  4U
#define NOBODY 7U

#define POWER_UP  UINT32_C(0x50000000)
#define TARGET_ID UINT32_C(0x2E207069)
#define CLEAR_ALL UINT32_C(0x1E)

static const uint8_t line_reset[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00 };
static const uint8_t jtag_to_swd[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x9E, 0xE7, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00 };
static const uint8_t swd_to_jtag[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x3C, 0xE7, 0xFF };
static const uint8_t swd_to_dormant[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE3 };
static const uint8_t jtag_to_dormant[] = { 0xFF, 0x75, 0x77, 0x77, 0x67 };
static const uint8_t dormant_to_swd[] = { 0xFF, 0x92, 0xF3, 0x09, 0x62, 0x95, 0x2D, 0x85, 0x86,
    0xE9, 0xAF, 0xDD, 0xE3, 0xA2, 0x0E, 0xBC, 0x19, 0xA0, 0xF1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0x00 };

struct fixture {
    struct sim_chip chip;
    struct sim_swd swd;
    unsigned turn;
    bool data_phase;
};

static void send_bits(struct fixture *f, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool bit = (bytes[i / 8] >> (i % 8) & 1) != 0;
        assert_int_equal(sim_swd_clock(&f->swd, bit, true), bit);
    }
}

static void send_ones(struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)sim_swd_clock(&f->swd, true, true);
    }
}

static void send_idle(struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)sim_swd_clock(&f->swd, false, true);
    }
}

static uint32_t receive(struct fixture *f, unsigned count)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < count; i++) {
        bool bit = sim_swd_clock(&f->swd, false, false);
        value |= i < 32 ? (uint32_t)bit << i : 0; /* what is longer is only skipped */
    }
    return value;
}

static void turn(struct fixture *f)
{
    /* Nobody drives: the pull-up is seen. */
    for (unsigned i = 0; i < f->turn; i++) {
        assert_true(sim_swd_clock(&f->swd, false, false));
    }
}

static uint32_t header(struct fixture *f, unsigned request)
{
    uint8_t byte = (uint8_t)request;
    send_bits(f, &byte, 8);
    turn(f);
    return receive(f, 3);
}

static uint32_t read_reg(struct fixture *f, unsigned request, uint32_t *ret_value)
{
    uint32_t ack = header(f, request);
    if (ack == OK || (f->data_phase && ack != NOBODY)) {
        uint32_t value = receive(f, 32);
        assert_int_equal(receive(f, 1), __builtin_parity(value));
        if (ack == OK) {
            *ret_value = value;
        }
    }
    turn(f);
    return ack;
}

static uint32_t write_with_parity(struct fixture *f, unsigned request, uint32_t value, bool good)
{
    uint32_t ack = header(f, request);
    turn(f);
    if (ack == OK || (f->data_phase && ack != NOBODY)) {
        uint8_t bytes[5] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
            (uint8_t)(value >> 24), (uint8_t)((__builtin_parity(value) != 0) == good) };
        send_bits(f, bytes, 33);
    }
    return ack;
}

static uint32_t write_reg(struct fixture *f, unsigned request, uint32_t value)
{
    return write_with_parity(f, request, value, true);
}

static uint32_t get(struct fixture *f, unsigned request)
{
    uint32_t value = 0;
    assert_int_equal(read_reg(f, request, &value), OK);
    return value;
}

static void put(struct fixture *f, unsigned request, uint32_t value)
{
    assert_int_equal(write_reg(f, request, value), OK);
}

static void expect_dpidr(struct fixture *f)
{
    assert_int_equal(get(f, R_DPIDR), SIM_SWD_DPIDR);
}

static void start(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->turn = 1;
    fake_chip_init(&f->chip);
    sim_swd_init(&f->swd, &f->chip, TARGET_ID);
}

static void start_connected(struct fixture *f)
{
    start(f);
    send_bits(f, jtag_to_swd, 136);
    expect_dpidr(f);
}

static void start_powered(struct fixture *f)
{
    start_connected(f);
    put(f, W_CTRL, POWER_UP);
    put(f, W_SELECT, 0x01000000);
    put(f, W_CSW, 0x23000012);
}

static void jtag_after_power_on(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    send_bits(&f, line_reset, 64);
    assert_int_equal(header(&f, R_DPIDR), NOBODY);
    send_bits(&f, jtag_to_swd, 136);
    expect_dpidr(&f);
    send_bits(&f, swd_to_jtag, 80);
    send_bits(&f, line_reset, 64);
    assert_int_equal(header(&f, R_DPIDR), NOBODY);
    send_bits(&f, jtag_to_swd, 136);
    expect_dpidr(&f);
}

static void exact_read_packet(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    send_bits(&f, jtag_to_swd, 136);
    uint64_t before = f.swd.clocks;
    uint64_t time = f.swd.time_ps;
    uint8_t request = R_DPIDR;
    send_bits(&f, &request, 8);
    assert_int_equal(receive(&f, 1), 1); /* turnaround */
    assert_int_equal(receive(&f, 3), OK);
    assert_int_equal(receive(&f, 32), 0x6BA02477);
    assert_int_equal(receive(&f, 1), __builtin_parity(0x6BA02477));
    assert_int_equal(receive(&f, 1), 1); /* turnaround */
    assert_int_equal(f.swd.clocks - before, 46);
    assert_int_equal(f.swd.time_ps - time, 46 * UINT64_C(1000000));
    assert_int_equal(f.chip.time_ps, time + 8 * UINT64_C(1000000));
}

static void line_reset_needs_50_ones_and_2_idle(void **state)
{
    (void)state;
    struct fixture f;
    start_connected(&f);
    send_idle(&f, 1); /* or the turnaround before it, high too, counts */
    send_ones(&f, 49);
    send_idle(&f, 2);
    assert_int_equal(header(&f, R_DPIDR), NOBODY);
    send_ones(&f, 50);
    send_idle(&f, 1);
    assert_int_equal(header(&f, R_DPIDR), NOBODY);
    send_idle(&f, 2);
    send_ones(&f, 50);
    send_idle(&f, 2);
    expect_dpidr(&f);
    send_ones(&f, 300);
    send_idle(&f, 20);
    expect_dpidr(&f);
}

/* Stop at every bit of a read, a write and a refused access, then reset the line. */
static void line_reset_from_every_bit(void **state)
{
    (void)state;
    static const unsigned requests[] = { R_DPIDR, W_CTRL, R_DRW, W_DRW, W_TARGET };
    for (size_t r = 0; r < sizeof(requests) / sizeof(requests[0]); r++) {
        for (unsigned stop = 0; stop < 50; stop++) {
            for (int drive = 0; drive < 2; drive++) {
                struct fixture f;
                start_connected(&f);
                for (unsigned i = 0; i < stop; i++) {
                    bool bit = i < 8 && (requests[r] >> i & 1U) != 0;
                    (void)sim_swd_clock(&f.swd, bit, i < 8 || drive != 0);
                }
                send_bits(&f, line_reset, 64);
                expect_dpidr(&f);
            }
        }
    }
}

static void first_access_must_read_dpidr(void **state)
{
    (void)state;
    static const unsigned refused[] = { R_CTRL, W_ABORT, W_CTRL, W_SELECT, R_RDBUFF, R_CSW, W_DRW };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct fixture f;
        start_connected(&f);
        send_bits(&f, line_reset, 64);
        assert_int_equal(header(&f, refused[i]), NOBODY);
        /* Lost until the next line reset. */
        (void)receive(&f, 34);
        assert_int_equal(header(&f, R_DPIDR), NOBODY);
        send_bits(&f, line_reset, 64);
        expect_dpidr(&f);
    }
}

static void damaged_header_is_not_answered(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit < 8; bit++) {
        struct fixture f;
        start_connected(&f);
        /* One flip in address, direction, port, parity, stop or park is always seen. */
        assert_int_equal(header(&f, R_CTRL ^ (1U << bit)), NOBODY);
        (void)receive(&f, 34);
        send_bits(&f, line_reset, 64);
        expect_dpidr(&f);
    }
}

static void dormant_and_back(void **state)
{
    (void)state;
    struct fixture f;
    start_connected(&f);
    send_bits(&f, swd_to_dormant, 72);
    assert_int_equal(header(&f, R_DPIDR), NOBODY);
    send_bits(&f, jtag_to_swd, 128 - 56);
    assert_int_equal(f.swd.mode, SIM_SWD_MODE_DORMANT);
    send_bits(&f, dormant_to_swd, 224);
    expect_dpidr(&f);

    start(&f); /* JTAG, as OpenOCD finds it on its second way in */
    send_bits(&f, jtag_to_dormant, 40);
    assert_int_equal(f.swd.mode, SIM_SWD_MODE_DORMANT);
    send_bits(&f, dormant_to_swd, 224);
    expect_dpidr(&f);
    /* The same noise in SWD: the line reset at its end brings the port back. */
    send_bits(&f, jtag_to_dormant, 40);
    send_bits(&f, dormant_to_swd, 224);
    expect_dpidr(&f);
}

static void failed_wake_recovers(void **state)
{
    (void)state;
    for (unsigned bit = 8; bit < 8 + 128 + 12; bit++) {
        struct fixture f;
        uint8_t damaged[sizeof(dormant_to_swd)];
        memcpy(damaged, dormant_to_swd, sizeof(damaged));
        damaged[bit / 8] = (uint8_t)(damaged[bit / 8] ^ (1U << (bit % 8)));
        start_connected(&f);
        send_bits(&f, swd_to_dormant, 72);
        send_bits(&f, damaged, 152);
        assert_int_not_equal(f.swd.mode, SIM_SWD_MODE_SWD);
        send_bits(&f, line_reset, 64);
        send_bits(&f, jtag_to_swd, 136);
        expect_dpidr(&f);
    }
}

static void no_answer_without_pins(void **state)
{
    (void)state;
    struct fixture f;
    start_connected(&f);
    f.chip.connected = false;
    assert_int_equal(header(&f, R_DPIDR), NOBODY);
    send_bits(&f, line_reset, 64);
    f.chip.connected = true;
    /* The line reset was not seen. */
    assert_int_equal(header(&f, R_DPIDR), NOBODY);
    send_bits(&f, line_reset, 64);
    expect_dpidr(&f);
}

static void power_up_and_banked_registers(void **state)
{
    (void)state;
    struct fixture f;
    start_connected(&f);
    assert_int_equal(get(&f, R_CTRL), 0);
    put(&f, W_CTRL, 0x10000000);
    assert_int_equal(get(&f, R_CTRL), 0x30000000);
    assert_true(f.chip.debug_power);
    put(&f, W_CTRL, POWER_UP);
    assert_int_equal(get(&f, R_CTRL), 0xF0000000);
    put(&f, W_SELECT, 2);
    assert_int_equal(get(&f, R_CTRL), TARGET_ID);
    put(&f, W_SELECT, 3);
    assert_int_equal(get(&f, R_CTRL), 1);
    put(&f, W_SELECT, 1);
    assert_int_equal(get(&f, R_CTRL), 0x40);
    put(&f, W_CTRL, 0x300); /* turnaround of 4 from the next packet on */
    f.turn = 4;
    assert_int_equal(get(&f, R_CTRL), 0x340);
    put(&f, W_CTRL, 0x000);
    f.turn = 1;
    put(&f, W_SELECT, 0);
    assert_int_equal(get(&f, R_CTRL), 0xF0000000);
    put(&f, W_CTRL, 0);
    assert_int_equal(get(&f, R_CTRL), 0);
    assert_false(f.chip.debug_power);
}

static void ap_needs_power(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t value;
    start_connected(&f);
    assert_int_equal(read_reg(&f, R_CSW, &value), FAULT);
    assert_int_equal(get(&f, R_CTRL), 0x20);
    assert_int_equal(write_reg(&f, W_CTRL, POWER_UP), FAULT);
    put(&f, W_ABORT, CLEAR_ALL);
    put(&f, W_CTRL, POWER_UP);
    (void)get(&f, R_CSW);
    assert_int_equal(get(&f, R_RDBUFF), 0x43000042);
}

static void posted_reads(void **state)
{
    (void)state;
    struct fixture f;
    start_powered(&f);
    for (uint32_t i = 0; i < 4; i++) {
        fake_chip_set_word(&f.chip, FAKE_BASE + 4 * i, 0xA0 + i);
    }
    put(&f, W_TAR, FAKE_BASE);
    (void)get(&f, R_DRW);
    assert_int_equal(get(&f, R_DRW), 0xA0);
    assert_int_equal(get(&f, R_DRW), 0xA1);
    assert_int_equal(get(&f, R_RESEND), 0xA1);
    assert_int_equal(get(&f, R_RDBUFF), 0xA2);
    assert_int_equal(get(&f, R_RESEND), 0xA2);
    assert_int_equal(get(&f, R_RDBUFF), 0xA2);
    assert_int_equal(get(&f, R_CTRL), 0xF0000040); /* READOK */
    (void)get(&f, R_TAR);
    assert_int_equal(get(&f, R_RDBUFF), FAKE_BASE + 12);
    put(&f, W_SELECT, 0x070000F0); /* no such port */
    (void)get(&f, R_DRW);
    assert_int_equal(get(&f, R_RDBUFF), 0);
    put(&f, W_SELECT, 0x020000F0);
    (void)get(&f, R_DRW);
    assert_int_equal(get(&f, R_RDBUFF), 0x24770011);
}

static void writes_reach_memory(void **state)
{
    (void)state;
    struct fixture f;
    start_powered(&f);
    put(&f, W_TAR, FAKE_BASE + 0x100);
    put(&f, W_DRW, 0x12345678);
    put(&f, W_DRW, 0xFFFFFFFF);
    put(&f, W_DRW, 0x9ABCDEF0);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 0x100), 0x12345678);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 0x104), 0xFFFFFFFF);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 0x108), 0x9ABCDEF0);
    assert_int_equal(f.chip.last_ap, SIM_AP_CM0);
    assert_int_equal(f.chip.time_ps, f.swd.time_ps);
}

static void bus_error_is_sticky(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t value;
    start_powered(&f);
    put(&f, W_TAR, 0x30000000);
    (void)get(&f, R_DRW); /* posted: the error shows at the next access */
    assert_int_equal(read_reg(&f, R_RDBUFF, &value), FAULT);
    assert_int_equal(read_reg(&f, R_DRW, &value), FAULT);
    assert_int_equal(write_reg(&f, W_SELECT, 0), FAULT);
    assert_int_equal(read_reg(&f, R_RESEND, &value), FAULT);
    assert_int_equal(get(&f, R_CTRL) & 0xB2, 0x20);
    expect_dpidr(&f);
    put(&f, W_ABORT, 0x1A); /* all but STKERRCLR */
    assert_int_equal(read_reg(&f, R_DRW, &value), FAULT);
    put(&f, W_ABORT, 0x04);
    put(&f, W_TAR, FAKE_BASE);
    put(&f, W_DRW, 3);
    assert_int_equal(get(&f, R_CTRL) & 0xB2, 0);
    f.chip.ap_enabled[SIM_AP_CM0] = false;
    put(&f, W_DRW, 4);
    assert_int_equal(read_reg(&f, R_RDBUFF, &value), FAULT);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 4), 0);
}

static void write_parity_error(void **state)
{
    (void)state;
    struct fixture f;
    start_powered(&f);
    put(&f, W_TAR, FAKE_BASE);
    assert_int_equal(write_with_parity(&f, W_DRW, 0x55, false), OK);
    assert_int_equal(get(&f, R_CTRL) & 0xB2, 0x80);
    assert_int_equal(write_reg(&f, W_DRW, 0x55), FAULT);
    put(&f, W_ABORT, 0x08);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE), 0);
    put(&f, W_DRW, 0x55);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE), 0x55);
}

static void wait_and_dapabort(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t value;
    start_powered(&f);
    fake_chip_set_word(&f.chip, FAKE_BASE, 0x77);
    put(&f, W_TAR, FAKE_BASE);
    f.chip.waits = 3;
    (void)get(&f, R_DRW);
    assert_int_equal(read_reg(&f, R_RDBUFF, &value), WAIT);
    assert_int_equal(get(&f, R_CTRL) & 0xB2, 0); /* always answered */
    assert_int_equal(write_reg(&f, W_SELECT, 0), WAIT);
    assert_int_equal(get(&f, R_RDBUFF), 0x77);
    assert_int_equal(f.swd.waits, 2);
    f.chip.waits_for_ever = true;
    put(&f, W_DRW, 0x99);
    assert_int_equal(write_reg(&f, W_DRW, 0x98), WAIT);
    expect_dpidr(&f);
    put(&f, W_ABORT, 1);
    f.chip.waits_for_ever = false;
    put(&f, W_DRW, 0x97);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 4), 0x97);
}

static void overrun_detection(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t value;
    start_powered(&f);
    put(&f, W_TAR, FAKE_BASE);
    put(&f, W_CTRL, POWER_UP | 1);
    f.data_phase = true; /* every acknowledge has a data phase from now on */
    f.chip.waits = 2;
    put(&f, W_DRW, 1);
    assert_int_equal(write_reg(&f, W_DRW, 2), WAIT);
    assert_int_equal(write_reg(&f, W_DRW, 3), FAULT);
    assert_int_equal(read_reg(&f, R_DRW, &value), FAULT);
    assert_int_equal(get(&f, R_CTRL) & 0xB3, 0x03);
    put(&f, W_ABORT, 0x10);
    put(&f, W_DRW, 4);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE), 1);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE + 4), 4);
}

static void pushed_compare_and_verify(void **state)
{
    (void)state;
    struct fixture f;
    start_powered(&f);
    fake_chip_set_word(&f.chip, FAKE_BASE, 0x11223344);
    put(&f, W_CSW, 0x23000002);
    put(&f, W_TAR, FAKE_BASE);
    put(&f, W_CTRL, POWER_UP | 0xF04); /* pushed verify, all lanes */
    put(&f, W_DRW, 0x11223344);
    assert_int_equal(get(&f, R_CTRL) & 0xB2, 0);
    put(&f, W_DRW, 0x11223345);
    assert_int_equal(get(&f, R_CTRL) & 0xB2, 0x10);
    put(&f, W_ABORT, 0x02);
    put(&f, W_CTRL, POWER_UP | 0xE04); /* the differing lane is left out */
    put(&f, W_DRW, 0x11223345);
    assert_int_equal(get(&f, R_CTRL) & 0xB2, 0);
    put(&f, W_CTRL, POWER_UP | 0xF08); /* pushed compare */
    put(&f, W_DRW, 0);
    assert_int_equal(get(&f, R_CTRL) & 0xB2, 0);
    put(&f, W_DRW, 0x11223344);
    assert_int_equal(get(&f, R_CTRL) & 0xB2, 0x10);
    assert_int_equal(fake_chip_word(&f.chip, FAKE_BASE), 0x11223344);
}

static void chip_reset_clears_the_ports(void **state)
{
    (void)state;
    struct fixture f;
    start_powered(&f);
    put(&f, W_TAR, FAKE_BASE + 0x40);
    f.chip.reset_count++;
    assert_int_equal(header(&f, R_DPIDR), NOBODY);
    send_bits(&f, line_reset, 64);
    expect_dpidr(&f);
    assert_int_equal(get(&f, R_CTRL), 0);
    put(&f, W_CTRL, POWER_UP);
    put(&f, W_SELECT, 0x01000000);
    (void)get(&f, R_TAR);
    assert_int_equal(get(&f, R_CSW), 0);
    assert_int_equal(get(&f, R_RDBUFF), 0x43000042);
    /* A reset long before a line reset does not spoil it. */
    f.chip.reset_count++;
    send_bits(&f, line_reset, 64);
    expect_dpidr(&f);
}

static uint32_t select_target(struct fixture *f, uint32_t id)
{
    uint8_t request = W_TARGET;
    send_bits(f, &request, 8);
    uint32_t seen = receive(f, 5);
    uint8_t bytes[5] = { (uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16), (uint8_t)(id >> 24),
        (uint8_t)__builtin_parity(id) };
    send_bits(f, bytes, 33);
    return seen;
}

static void targetsel(void **state)
{
    (void)state;
    struct fixture f;
    start_connected(&f);
    send_bits(&f, line_reset, 64);
    assert_int_equal(select_target(&f, TARGET_ID & 0x0FFFFFFF), 0x1F); /* nobody drives */
    expect_dpidr(&f);
    send_bits(&f, line_reset, 64);
    (void)select_target(&f, 0x01002927);
    assert_int_equal(header(&f, R_DPIDR), NOBODY);
    send_bits(&f, line_reset, 64);
    expect_dpidr(&f);
    /* Not allowed later. */
    (void)select_target(&f, TARGET_ID & 0x0FFFFFFF);
    assert_int_equal(header(&f, R_DPIDR), NOBODY);
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
