/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROTO_BYTES_H
#define PROTO_BYTES_H

/**
 * @file
 * Writer and reader over caller's memory whose size the caller has checked; integers big-endian.
 * Freestanding: needs no library function beyond what a C11 compiler itself may call.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Copy @p length bytes to @p *at and move it behind them. */
void proto_put(uint8_t **at, const uint8_t *data, size_t length);
void proto_put_u8(uint8_t **at, uint8_t value);
void proto_put_u16(uint8_t **at, uint16_t value);
void proto_put_u32(uint8_t **at, uint32_t value);
void proto_put_zeros(uint8_t **at, size_t length);

/** Copy @p length bytes from @p *at and move it behind them. */
void proto_take(const uint8_t **at, uint8_t *ret_data, size_t length);
uint8_t proto_take_u8(const uint8_t **at);
uint16_t proto_take_u16(const uint8_t **at);
uint32_t proto_take_u32(const uint8_t **at);

/** True when all bytes are zero; the time depends on @p length alone. */
bool proto_is_zero(const uint8_t *data, size_t length);

/** True when both byte strings are equal; the time depends on @p length alone. */
bool proto_equal(const uint8_t *a, const uint8_t *b, size_t length);

#endif
