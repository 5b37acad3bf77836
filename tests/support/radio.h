/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_RADIO_H
#define TESTS_SUPPORT_RADIO_H

/**
 * @file
 * The other end of the demonstration application's radio (device-fw/app-demo/radio.h), for whoever
 * holds the simulated chip. The chip knows nothing of it: its two slots are SRAM, where a product
 * has a transceiver or a serial port.
 */

#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "device-fw/app-demo/radio.h"
#include "sim/chip_test.h"

#define RADIO_POLL_PS  (20U * SIM_PS_PER_US)
#define RADIO_LIMIT_PS (6000000U * SIM_PS_PER_US)

#define RADIO_AT(member) (APP_RADIO_ADDRESS + (uint32_t)offsetof(struct app_radio, member))

enum radio_result {
    RADIO_HEARD,
    RADIO_DARK,   /**< the chip has lost its supply */
    RADIO_SILENT, /**< nothing for RADIO_LIMIT_PS of its time */
};

struct radio_frame {
    uint32_t number;
    uint32_t kind; /**< enum app_radio_kind */
    uint32_t status;
    size_t length;
    uint8_t data[APP_RADIO_DATA_MAX];
};

static inline uint32_t radio_peek(const struct sim_chip *chip, uint32_t address)
{
    uint8_t bytes[4] = { 0 };

    (void)sim_chip_test_read(chip, address, bytes, sizeof(bytes));
    return base_get_le32(bytes);
}

static inline void radio_poke(struct sim_chip *chip, uint32_t address, uint32_t value)
{
    uint8_t bytes[4];

    base_put_le32(bytes, value);
    (void)sim_chip_test_write(chip, address, bytes, sizeof(bytes));
}

/** Both slots empty, as long as the program does not run yet; RAM is noise after power-up. */
static inline void radio_clear(struct sim_chip *chip)
{
    static const struct app_radio empty;

    (void)sim_chip_test_write(chip, APP_RADIO_ADDRESS, (const void *)&empty, sizeof(empty));
}

/** Let the chip run until a word is no longer @p old. */
static inline enum radio_result radio_wait(struct sim_chip *chip, uint32_t address, uint32_t old)
{
    uint64_t end = sim_chip_time_ps(chip) + RADIO_LIMIT_PS;

    while (sim_chip_powered(chip)) {
        if (radio_peek(chip, address) != old)
            return RADIO_HEARD;
        if (sim_chip_time_ps(chip) > end)
            return RADIO_SILENT;
        sim_chip_run_until(chip, sim_chip_time_ps(chip) + RADIO_POLL_PS);
    }
    return RADIO_DARK;
}

/** The program's frame after the one with number @p heard. */
static inline enum radio_result radio_hear(
    struct sim_chip *chip, uint32_t heard, struct radio_frame *ret_frame)
{
    enum radio_result result = radio_wait(chip, RADIO_AT(out.number), heard);
    uint32_t length = radio_peek(chip, RADIO_AT(out.length));

    if (result != RADIO_HEARD)
        return result;
    ret_frame->number = radio_peek(chip, RADIO_AT(out.number));
    ret_frame->kind = radio_peek(chip, RADIO_AT(out.kind));
    ret_frame->status = radio_peek(chip, RADIO_AT(out.status));
    ret_frame->length = length <= sizeof(ret_frame->data) ? length : sizeof(ret_frame->data);
    (void)sim_chip_test_read(chip, RADIO_AT(out.data), ret_frame->data, ret_frame->length);
    return RADIO_HEARD;
}

/** Give the program its frame with number @p number. */
static inline void radio_tell(
    struct sim_chip *chip, uint32_t number, uint32_t kind, const uint8_t *data, size_t length)
{
    if (length > 0)
        (void)sim_chip_test_write(chip, RADIO_AT(in.data), data, length);
    radio_poke(chip, RADIO_AT(in.kind), kind);
    radio_poke(chip, RADIO_AT(in.length), (uint32_t)length);
    radio_poke(chip, RADIO_AT(in.number), number);
}

#endif
