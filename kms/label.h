/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_LABEL_H
#define KMS_LABEL_H

/** @file Text of a unit's label: LoRa Alliance TR005, schema D0, without owner token. */

#include <stddef.h>
#include <stdint.h>

#define KMS_LABEL_SIZE 64

/** CRC-16/MODBUS, the checksum of TR005. */
uint16_t kms_label_crc(const char *text, size_t length);

/** "LW:D0:JOINEUI:DEVEUI:PROFILE:Cxxxx", upper-case. @p profile: vendor id and model id, 2 bytes
 * each; zeros where there is no vendor id. */
void kms_label_format(const uint8_t join_eui[8], const uint8_t dev_eui[8], const uint8_t profile[4],
    char ret_text[KMS_LABEL_SIZE]);

#endif
