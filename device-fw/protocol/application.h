/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROTO_APPLICATION_H
#define PROTO_APPLICATION_H

/**
 * @file
 * The application image of the CM4, in MCUboot's format (little-endian): a header, padded with
 * zeros to PROTO_APPLICATION_HEADER_SIZE, the program with its vector table first, then tag-length-
 * value entries that the digest does not cover: SHA-256 of all that comes before them, SHA-256 of
 * the signer's public key, and an ECDSA P-256 signature over the digest. Nothing follows them.
 *
 * Header: 0 magic u32 | 4 load address u32 (0: runs where it lies) | 8 header size u16 | 10 size of
 * protected entries u16 (0: none are used) | 12 program size u32 | 16 flags u32 (0) | 20 version:
 * major u8, minor u8, revision u16, build u32 | 28 zero u32. Entries: magic 0x6907 u16, total size
 * u16, then type u16, length u16, value.
 *
 * A program for the CM0+ itself, the layer of man lpa-services(7), lies in the same image: the
 * words from PROTO_APPLICATION_LAYER_AT on, which the CM4's vector table does not use, are
 * PROTO_APPLICATION_LAYER_MAGIC, the layer's first stack pointer, and its entry (bit 0 set).
 */

#include "device-fw/protocol/mailbox.h"

#include <stddef.h>

#define PROTO_APPLICATION_ADDRESS       0x10010000U
#define PROTO_APPLICATION_MAX_SIZE      0x00070000U /**< up to the end of flash sector 1 */
#define PROTO_APPLICATION_HEADER_SIZE   0x400U      /**< the CM4's vectors lie on 1 KiB */
#define PROTO_APPLICATION_HEADER_USED   32U
#define PROTO_APPLICATION_LAYER_AT      0x20U /**< in the program: vectors 8 to 10 */
#define PROTO_APPLICATION_LAYER_SIZE    12U
#define PROTO_APPLICATION_LAYER_MAGIC   0x4C41504CU
#define PROTO_APPLICATION_TLV_MAX       256U
#define PROTO_APPLICATION_SIGNATURE_MAX 72U /**< DER */

struct proto_application {
    uint32_t program_size;
    uint32_t version; /**< major << 24 | minor << 16 | revision */
};

struct proto_application_tlv {
    uint8_t digest[PROTO_HASH_SIZE];
    uint8_t key_hash[PROTO_HASH_SIZE]; /**< of the SubjectPublicKeyInfo */
    uint8_t signature[PROTO_APPLICATION_SIGNATURE_MAX];
    size_t signature_length;
    size_t total; /**< bytes of all entries with their own header */
};

/** Fill the header, PROTO_APPLICATION_HEADER_SIZE bytes. */
void proto_application_encode(
    const struct proto_application *application, uint8_t ret_bytes[PROTO_APPLICATION_HEADER_SIZE]);

/** PROTO_OK; PROTO_BAD_VERSION (no such magic word); PROTO_BAD_LENGTH (program outside the place);
 * PROTO_BAD_FIELD. Nothing written then. */
enum proto_status proto_application_decode(
    const uint8_t bytes[PROTO_APPLICATION_HEADER_USED], struct proto_application *ret_application);

/** Write the three entries; gives their total size, at most PROTO_APPLICATION_TLV_MAX. */
size_t proto_application_tlv_encode(
    const struct proto_application_tlv *tlv, uint8_t ret_bytes[PROTO_APPLICATION_TLV_MAX]);

/** PROTO_OK, PROTO_BAD_LENGTH, PROTO_BAD_FIELD (an entry missing, twice, or unknown). */
enum proto_status proto_application_tlv_decode(
    const uint8_t *bytes, size_t length, struct proto_application_tlv *ret_tlv);

/** What MCUboot hashes of a P-256 public key: its DER SubjectPublicKeyInfo, these bytes and the
 * point behind them. */
#define PROTO_SPKI_PREFIX_SIZE 26U
extern const uint8_t proto_application_spki_prefix[PROTO_SPKI_PREFIX_SIZE];

#endif
