/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/protocol/bytes.h"

#include <string.h>

void proto_put(uint8_t **at, const uint8_t *data, size_t length)
{
    (void)memcpy(*at, data, length); /* the device's ends even when its end is missed */
    *at += length;
}

void proto_put_u8(uint8_t **at, uint8_t value)
{
    **at = value;
    *at += 1;
}

void proto_put_u16(uint8_t **at, uint16_t value)
{
    proto_put_u8(at, (uint8_t)(value >> 8));
    proto_put_u8(at, (uint8_t)value);
}

void proto_put_u32(uint8_t **at, uint32_t value)
{
    proto_put_u16(at, (uint16_t)(value >> 16));
    proto_put_u16(at, (uint16_t)value);
}

void proto_put_zeros(uint8_t **at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        proto_put_u8(at, 0);
}

void proto_take(const uint8_t **at, uint8_t *ret_data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ret_data[i] = (*at)[i];
    *at += length;
}

uint8_t proto_take_u8(const uint8_t **at)
{
    uint8_t value = **at;

    *at += 1;
    return value;
}

uint16_t proto_take_u16(const uint8_t **at)
{
    uint16_t high = proto_take_u8(at);

    return (uint16_t)((unsigned)high << 8 | proto_take_u8(at));
}

uint32_t proto_take_u32(const uint8_t **at)
{
    uint32_t high = proto_take_u16(at);

    return high << 16 | proto_take_u16(at);
}

bool proto_is_zero(const uint8_t *data, size_t length)
{
    uint8_t any = 0;

    for (size_t i = 0; i < length; i++)
        any |= data[i];
    return any == 0;
}

bool proto_equal(const uint8_t *a, const uint8_t *b, size_t length)
{
    uint8_t differs = 0;

    for (size_t i = 0; i < length; i++)
        differs |= (uint8_t)(a[i] ^ b[i]);
    return differs == 0;
}
