/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/swd_host.h"

#include <string.h>

const uint8_t swd_host_line_reset[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00 };
const uint8_t swd_host_jtag_to_swd[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x9E, 0xE7, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00 };
const uint8_t swd_host_swd_to_jtag[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x3C, 0xE7,
    0xFF };
const uint8_t swd_host_swd_to_dormant[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE3 };
const uint8_t swd_host_jtag_to_dormant[] = { 0xFF, 0x75, 0x77, 0x77, 0x67 };
const uint8_t swd_host_dormant_to_swd[] = { 0xFF, 0x92, 0xF3, 0x09, 0x62, 0x95, 0x2D, 0x85, 0x86,
    0xE9, 0xAF, 0xDD, 0xE3, 0xA2, 0x0E, 0xBC, 0x19, 0xA0, 0xF1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0x00 };

void swd_host_send_bits(struct swd_host *f, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool bit = (bytes[i / 8] >> (i % 8) & 1) != 0;
        assert_int_equal(sim_swd_clock(&f->swd, bit, true), bit);
    }
}

void swd_host_send_ones(struct swd_host *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)sim_swd_clock(&f->swd, true, true);
    }
}

void swd_host_send_idle(struct swd_host *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)sim_swd_clock(&f->swd, false, true);
    }
}

uint32_t swd_host_receive(struct swd_host *f, unsigned count)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < count; i++) {
        bool bit = sim_swd_clock(&f->swd, false, false);
        value |= i < 32 ? (uint32_t)bit << i : 0; /* what is longer is only skipped */
    }
    return value;
}

void swd_host_turn(struct swd_host *f)
{
    for (unsigned i = 0; i < f->turn; i++) {
        assert_true(sim_swd_clock(&f->swd, false, false));
    }
}

uint32_t swd_host_header(struct swd_host *f, unsigned request)
{
    uint8_t byte = (uint8_t)request;
    swd_host_send_bits(f, &byte, 8);
    swd_host_turn(f);
    return swd_host_receive(f, 3);
}

uint32_t swd_host_read_reg(struct swd_host *f, unsigned request, uint32_t *ret_value)
{
    uint32_t ack = swd_host_header(f, request);
    if (ack == OK || (f->data_phase && ack != NOBODY)) {
        uint32_t value = swd_host_receive(f, 32);
        assert_int_equal(swd_host_receive(f, 1), __builtin_parity(value));
        if (ack == OK) {
            *ret_value = value;
        }
    }
    swd_host_turn(f);
    return ack;
}

uint32_t swd_host_write_with_parity(struct swd_host *f, unsigned request, uint32_t value, bool good)
{
    uint32_t ack = swd_host_header(f, request);
    swd_host_turn(f);
    if (ack == OK || (f->data_phase && ack != NOBODY)) {
        uint8_t bytes[5] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
            (uint8_t)(value >> 24), (uint8_t)((__builtin_parity(value) != 0) == good) };
        swd_host_send_bits(f, bytes, 33);
    }
    return ack;
}

uint32_t swd_host_write_reg(struct swd_host *f, unsigned request, uint32_t value)
{
    return swd_host_write_with_parity(f, request, value, true);
}

uint32_t swd_host_get(struct swd_host *f, unsigned request)
{
    uint32_t value = 0;
    assert_int_equal(swd_host_read_reg(f, request, &value), OK);
    return value;
}

void swd_host_put(struct swd_host *f, unsigned request, uint32_t value)
{
    assert_int_equal(swd_host_write_reg(f, request, value), OK);
}

void swd_host_expect_dpidr(struct swd_host *f)
{
    assert_int_equal(swd_host_get(f, R_DPIDR), SIM_SWD_DPIDR);
}

void swd_host_start(struct swd_host *f)
{
    memset(f, 0, sizeof(*f));
    f->turn = 1;
    fake_chip_init(&f->chip);
    sim_swd_init(&f->swd, &f->chip, TARGET_ID);
}

void swd_host_start_connected(struct swd_host *f)
{
    swd_host_start(f);
    swd_host_send_bits(f, swd_host_jtag_to_swd, 136);
    swd_host_expect_dpidr(f);
}

void swd_host_start_powered(struct swd_host *f)
{
    swd_host_start_connected(f);
    swd_host_put(f, W_CTRL, POWER_UP);
    swd_host_put(f, W_SELECT, 0x01000000);
    swd_host_put(f, W_CSW, 0x23000012);
}
