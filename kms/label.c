/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/label.h"

#include <stdio.h>

uint16_t kms_label_crc(const char *text, size_t length)
{
    uint16_t crc = 0xFFFF;
    for (size_t i = 0; i < length; i++) {
        crc = (uint16_t)(crc ^ (uint8_t)text[i]);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)((crc & 1U) != 0 ? (crc >> 1) ^ 0xA001U : crc >> 1);
        }
    }
    return crc;
}

static size_t put_hex(char *text, const uint8_t *data, size_t length)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < length; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15U];
    }
    return 2 * length;
}

void kms_label_format(const uint8_t join_eui[8], const uint8_t dev_eui[8], const uint8_t profile[4],
    char ret_text[KMS_LABEL_SIZE])
{
    size_t at = (size_t)snprintf(ret_text, KMS_LABEL_SIZE, "LW:D0:");
    at += put_hex(ret_text + at, join_eui, 8);
    ret_text[at++] = ':';
    at += put_hex(ret_text + at, dev_eui, 8);
    ret_text[at++] = ':';
    at += put_hex(ret_text + at, profile, 4);
    uint16_t crc = kms_label_crc(ret_text, at);
    (void)snprintf(ret_text + at, KMS_LABEL_SIZE - at, ":C%04X", (unsigned)crc);
}
