/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/kdf.h"

#include "device-fw/bootloader/wipe.h"

#include <bearssl.h>

void bl_sha256(const void *data, size_t length, uint8_t ret_hash[PROTO_HASH_SIZE])
{
    br_sha256_context context;

    br_sha256_init(&context);
    br_sha256_update(&context, data, length);
    br_sha256_out(&context, ret_hash);
    bl_wipe(&context, sizeof(context));
}

static void hmac_start(
    br_hmac_key_context *key_context, br_hmac_context *context, const void *key, size_t key_length)
{
    br_hmac_key_init(key_context, &br_sha256_vtable, key, key_length);
    br_hmac_init(context, key_context, 0);
}

static void hmac_parts(br_hmac_context *context, const struct bl_part *parts, size_t part_count)
{
    for (size_t i = 0; i < part_count; i++)
        br_hmac_update(context, parts[i].data, parts[i].length);
}

void bl_hmac(const void *key, size_t key_length, const struct bl_part *parts, size_t part_count,
    uint8_t ret_mac[PROTO_MAC_SIZE])
{
    br_hmac_key_context key_context;
    br_hmac_context context;

    hmac_start(&key_context, &context, key, key_length);
    hmac_parts(&context, parts, part_count);
    br_hmac_out(&context, ret_mac);
    bl_wipe(&key_context, sizeof(key_context));
    bl_wipe(&context, sizeof(context));
}

void bl_hkdf_expand(const uint8_t prk[PROTO_HASH_SIZE], const struct bl_part *info,
    size_t info_count, size_t length, uint8_t *ret_bytes)
{
    br_hmac_key_context key_context;
    br_hmac_context context;
    uint8_t block[PROTO_HASH_SIZE];
    uint8_t counter = 0;

    br_hmac_key_init(&key_context, &br_sha256_vtable, prk, PROTO_HASH_SIZE);
    for (size_t done = 0; done < length;) {
        br_hmac_init(&context, &key_context, 0);
        if (counter != 0)
            br_hmac_update(&context, block, sizeof(block));
        counter++;
        hmac_parts(&context, info, info_count);
        br_hmac_update(&context, &counter, 1);
        br_hmac_out(&context, block);
        for (size_t i = 0; i < sizeof(block) && done < length; i++)
            ret_bytes[done++] = block[i];
    }
    bl_wipe(&key_context, sizeof(key_context));
    bl_wipe(&context, sizeof(context));
    bl_wipe(block, sizeof(block));
}
