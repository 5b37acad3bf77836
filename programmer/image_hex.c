/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "programmer/image_private.h"

/* From here on the addresses of a vendor programming file are records about the image, not bus
 * addresses. */
#define FILE_ALIASES 0x90000000U

#define RECORD_MAX 255U

enum record_type {
    RECORD_DATA = 0,
    RECORD_END = 1,
    RECORD_SEGMENT = 2,       /* bits 19 … 4 of the address */
    RECORD_START_SEGMENT = 3, /* entry point: of no use here */
    RECORD_LINEAR = 4,        /* bits 31 … 16 of the address */
    RECORD_START_LINEAR = 5,
};

struct record {
    uint8_t count;
    uint16_t offset;
    uint8_t type;
    uint8_t data[RECORD_MAX];
};

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes of the hex digits of a line; false for another character or an odd number. */
static bool decode(const uint8_t *text, size_t length, uint8_t *ret_bytes)
{
    if (length % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < length / 2; i++) {
        int high = digit(text[2 * i]);
        int low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static enum base_status parse_record(const uint8_t *text, size_t length, const char *name,
    unsigned line, struct record *ret_record, struct base_err *err)
{
    uint8_t bytes[RECORD_MAX + 5];
    if (length < 11 || text[0] != ':' || length - 1 > 2 * sizeof(bytes) ||
        !decode(text + 1, length - 1, bytes)) {
        return base_err_set(
            err, BASE_E_CORRUPT, "image", line, "%s: line %u is no Intel HEX record", name, line);
    }
    size_t total = (length - 1) / 2;
    if (total != (size_t)bytes[0] + 5) {
        return base_err_set(err, BASE_E_CORRUPT, "image", line,
            "%s: line %u says %u bytes and holds another number", name, line, bytes[0]);
    }
    uint8_t sum = 0;
    for (size_t i = 0; i < total; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    if (sum != 0) {
        return base_err_set(
            err, BASE_E_CORRUPT, "image", line, "%s: line %u has a wrong checksum", name, line);
    }
    ret_record->count = bytes[0];
    ret_record->offset = (uint16_t)(bytes[1] << 8 | bytes[2]);
    ret_record->type = bytes[3];
    memcpy(ret_record->data, bytes + 4, bytes[0]);
    return BASE_OK;
}

static enum base_status apply(const struct record *record, const char *name, unsigned line,
    uint32_t *base, struct prg_image *image, struct base_err *err)
{
    switch (record->type) {
    case RECORD_DATA: {
        uint32_t address = *base + record->offset;
        if (address >= FILE_ALIASES) {
            return BASE_OK;
        }
        return prg_image_add(image, name, line, address, record->data, record->count, err);
    }
    case RECORD_SEGMENT:
    case RECORD_LINEAR:
        if (record->count == 2) {
            uint32_t value = (uint32_t)record->data[0] << 8 | record->data[1];
            *base = record->type == RECORD_LINEAR ? value << 16 : value << 4;
            return BASE_OK;
        }
        break;
    case RECORD_START_SEGMENT:
    case RECORD_START_LINEAR:
        return BASE_OK;
    default:
        break;
    }
    return base_err_set(err, BASE_E_CORRUPT, "image", line,
        "%s: line %u has a record of type %02x that means nothing here", name, line, record->type);
}

enum base_status prg_image_read_hex(const uint8_t *bytes, size_t length, const char *name,
    struct prg_image *image, struct base_err *err)
{
    uint32_t base = 0;
    unsigned line = 0;
    for (size_t at = 0; at < length;) {
        const uint8_t *newline = memchr(bytes + at, '\n', length - at);
        size_t end = newline == NULL ? length : (size_t)(newline - bytes);
        size_t text = end - at;
        while (text > 0 && (bytes[at + text - 1] == '\r' || bytes[at + text - 1] == ' ')) {
            text--;
        }
        line++;
        if (text > 0) {
            struct record record;
            enum base_status status = parse_record(bytes + at, text, name, line, &record, err);
            if (status != BASE_OK) {
                return status;
            }
            if (record.type == RECORD_END) {
                return BASE_OK;
            }
            status = apply(&record, name, line, &base, image, err);
            if (status != BASE_OK) {
                return status;
            }
        }
        at = end + 1;
    }
    return base_err_set(err, BASE_E_CORRUPT, "image", line,
        "%s: ends after line %u without an end record; the file is truncated", name, line);
}
