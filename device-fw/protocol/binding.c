/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/protocol/binding.h"

#include "device-fw/protocol/bytes.h"

#define MAGIC_SIZE        8U
#define SEC1_UNCOMPRESSED 0x04U
#define KEYS_END          227U

static const uint8_t magic[MAGIC_SIZE] = { 'L', 'P', 'A', 'B', 'I', 'N', 'D', '1' };

/* Present in the one form that is allowed, or absent and all zero. */
static bool is_key_field(const uint8_t key[PROTO_PUBLIC_KEY_SIZE])
{
    return key[0] == SEC1_UNCOMPRESSED || proto_is_zero(key, PROTO_PUBLIC_KEY_SIZE);
}

void proto_binding_encode(
    const struct proto_binding *binding, uint8_t ret_bytes[PROTO_BINDING_SIZE])
{
    uint8_t *at = ret_bytes;

    proto_put(&at, magic, sizeof(magic));
    proto_put_u8(&at, binding->flags);
    proto_put_zeros(&at, 3);
    proto_put_u32(&at, binding->minimum_bootloader);
    proto_put_u8(&at, binding->minimum_protocol);
    proto_put_zeros(&at, 3);
    proto_put_u32(&at, binding->bootloader_version);
    proto_put_zeros(&at, 8);
    proto_put(&at, binding->authority_key[0], PROTO_PUBLIC_KEY_SIZE);
    proto_put(&at, binding->authority_key[1], PROTO_PUBLIC_KEY_SIZE);
    proto_put(&at, binding->application_key, PROTO_PUBLIC_KEY_SIZE);
    proto_put_zeros(&at, PROTO_BINDING_SIZE - KEYS_END);
}

enum proto_status proto_binding_decode(
    const uint8_t bytes[PROTO_BINDING_SIZE], struct proto_binding *ret_binding)
{
    struct proto_binding binding;
    const uint8_t *at = bytes;
    uint8_t zeros[8];
    bool clean;

    if (!proto_equal(bytes, magic, sizeof(magic)))
        return PROTO_BAD_VERSION;
    at += sizeof(magic);
    binding.flags = proto_take_u8(&at);
    proto_take(&at, zeros, 3);
    clean = proto_is_zero(zeros, 3);
    binding.minimum_bootloader = proto_take_u32(&at);
    binding.minimum_protocol = proto_take_u8(&at);
    proto_take(&at, zeros, 3);
    clean = clean && proto_is_zero(zeros, 3);
    binding.bootloader_version = proto_take_u32(&at);
    proto_take(&at, zeros, 8);
    clean = clean && proto_is_zero(zeros, 8);
    proto_take(&at, binding.authority_key[0], PROTO_PUBLIC_KEY_SIZE);
    proto_take(&at, binding.authority_key[1], PROTO_PUBLIC_KEY_SIZE);
    proto_take(&at, binding.application_key, PROTO_PUBLIC_KEY_SIZE);
    clean = clean && proto_is_zero(at, PROTO_BINDING_HASH_AT - KEYS_END);
    if (!clean || (binding.flags & ~PROTO_FLAG_LAB) != 0 ||
        !is_key_field(binding.authority_key[0]) || !is_key_field(binding.authority_key[1]) ||
        !is_key_field(binding.application_key))
        return PROTO_BAD_FIELD;
    *ret_binding = binding;
    return PROTO_OK;
}
