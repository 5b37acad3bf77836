/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROTO_BINDING_H
#define PROTO_BINDING_H

/**
 * @file
 * The binding block: 1 KiB at PROTO_BINDING_OFFSET of the image that `lpa-image bind` fills without
 * a compiler. Integers big-endian. Offset | size: 0 magic "LPABIND1" | 8 flags u8 | 9 zero[3] | 12
 * minimum bootloader version u32 | 16 minimum protocol version u8 | 17 zero[3] | 20 bootloader
 * version u32 (set by the build) | 24 zero[8] | 32 authority key 0 (65) | 97 authority key 1 (65) |
 * 162 application image key (65) | 227 zeros … 991 | 992 SHA-256 of 0 … 991. A key whose first byte
 * is 0 is absent. Before binding, the block carries magic, version and flags with no authority key.
 */

#include "device-fw/protocol/messages.h"

#define PROTO_BINDING_MAGIC    "LPABIND1"
#define PROTO_BINDING_FLAGS_AT 8U
#define PROTO_BINDING_HASH_AT  992U

struct proto_binding {
    uint8_t flags; /**< PROTO_FLAG_LAB */
    uint32_t minimum_bootloader;
    uint8_t minimum_protocol;
    uint32_t bootloader_version;
    uint8_t authority_key[2][PROTO_PUBLIC_KEY_SIZE];
    uint8_t application_key[PROTO_PUBLIC_KEY_SIZE];
};

/** Encode all but the trailing hash, which the caller computes over the first PROTO_BINDING_HASH_AT
 * bytes. */
void proto_binding_encode(
    const struct proto_binding *binding, uint8_t ret_bytes[PROTO_BINDING_SIZE]);

/** PROTO_OK, PROTO_BAD_VERSION (magic), PROTO_BAD_FIELD. The hash is the caller's to check. */
enum proto_status proto_binding_decode(
    const uint8_t bytes[PROTO_BINDING_SIZE], struct proto_binding *ret_binding);

#endif
