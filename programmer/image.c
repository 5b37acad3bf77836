/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "programmer/image_private.h"

#define DEFAULT_BASE 0x10000000U

void prg_image_done(struct prg_image *image)
{
    if (image == NULL) {
        return;
    }
    for (size_t i = 0; i < image->count; i++) {
        free(image->segments[i].data);
    }
    free(image->segments);
    memset(image, 0, sizeof(*image));
}

static enum base_status check_addition(const struct prg_image *image, const char *name,
    unsigned place, uint32_t address, size_t length, struct base_err *err)
{
    if ((uint64_t)address + length > UINT64_C(0x100000000)) {
        return base_err_set(err, BASE_E_CORRUPT, "image", place,
            "%s: part %u (%zu bytes at %08x) reaches beyond the address space", name, place, length,
            (unsigned)address);
    }
    if (length > PRG_IMAGE_MAX_BYTES - image->total_bytes) {
        return base_err_set(err, BASE_E_ARG, "image", place, "%s: more than %u bytes to program",
            name, PRG_IMAGE_MAX_BYTES);
    }
    return BASE_OK;
}

static enum base_status grow_last(
    struct prg_image *image, const uint8_t *data, size_t length, struct base_err *err)
{
    struct prg_segment *last = &image->segments[image->count - 1];
    /* Capacity in powers of two, so that many small records do not copy quadratically. */
    size_t have = last->length;
    size_t need = have + length;
    size_t capacity = 64;
    while (capacity < have) {
        capacity *= 2;
    }
    if (need > capacity || have <= 64) {
        while (capacity < need) {
            capacity *= 2;
        }
        uint8_t *bigger = realloc(last->data, capacity);
        if (bigger == NULL) {
            return base_err_set(err, BASE_E_NOMEM, "image", 0, "no memory for an image");
        }
        last->data = bigger;
    }
    memcpy(last->data + have, data, length);
    last->length += (uint32_t)length;
    image->total_bytes += (uint32_t)length;
    return BASE_OK;
}

enum base_status prg_image_add(struct prg_image *image, const char *name, unsigned place,
    uint32_t address, const uint8_t *data, size_t length, struct base_err *err)
{
    enum base_status status = check_addition(image, name, place, address, length, err);
    if (status != BASE_OK || length == 0) {
        return status;
    }
    if (image->count > 0) {
        const struct prg_segment *last = &image->segments[image->count - 1];
        if ((uint64_t)last->address + last->length == address) {
            return grow_last(image, data, length, err);
        }
    }
    if (image->count == PRG_IMAGE_MAX_SEGMENTS) {
        return base_err_set(err, BASE_E_ARG, "image", place, "%s: more than %u separate parts",
            name, PRG_IMAGE_MAX_SEGMENTS);
    }
    struct prg_segment *more =
        realloc(image->segments, (image->count + 1) * sizeof(*image->segments));
    if (more == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "image", 0, "no memory for an image");
    }
    image->segments = more;
    more[image->count] = (struct prg_segment){ .address = address };
    image->count++;
    return grow_last(image, data, length, err);
}

static int by_address(const void *a, const void *b)
{
    const struct prg_segment *left = a;
    const struct prg_segment *right = b;
    return (left->address > right->address) - (left->address < right->address);
}

/* Sort, refuse overlaps, join what touches. */
static enum base_status settle(struct prg_image *image, const char *name, struct base_err *err)
{
    if (image->count == 0) {
        return base_err_set(err, BASE_E_CORRUPT, "image", 0, "%s: holds nothing to program", name);
    }
    qsort(image->segments, image->count, sizeof(*image->segments), by_address);
    struct prg_image joined = { .segments = image->segments, .count = 1 };
    enum base_status status = BASE_OK;
    for (size_t i = 1; i < image->count; i++) {
        struct prg_segment *last = &image->segments[joined.count - 1];
        struct prg_segment *next = &image->segments[i];
        uint64_t end = (uint64_t)last->address + last->length;
        if (status == BASE_OK && end > next->address) {
            status = base_err_set(err, BASE_E_CORRUPT, "image", next->address,
                "%s: two parts overlap at %08x", name, (unsigned)next->address);
        }
        if (status == BASE_OK && end == next->address) {
            status = grow_last(&joined, next->data, next->length, err);
            free(next->data);
            next->data = NULL;
        } else {
            struct prg_segment moved = *next;
            next->data = NULL;
            image->segments[joined.count++] = moved;
        }
    }
    image->count = joined.count;
    return status;
}

static enum prg_image_format guess(const uint8_t *bytes, size_t length)
{
    if (length >= 4 && memcmp(bytes, "\177ELF", 4) == 0) {
        return PRG_IMAGE_ELF;
    }
    return length >= 1 && bytes[0] == ':' ? PRG_IMAGE_HEX : PRG_IMAGE_BIN;
}

enum base_status prg_image_parse(const void *bytes, size_t length, const char *name,
    const struct prg_image_opts *opts, struct prg_image *ret_image, struct base_err *err)
{
    struct prg_image image = { .count = 0 };
    uint32_t base = opts == NULL || opts->base == 0 ? DEFAULT_BASE : opts->base;
    image.format =
        opts == NULL || opts->format == PRG_IMAGE_AUTO ? guess(bytes, length) : opts->format;
    enum base_status status = BASE_OK;
    if (length == 0) {
        return base_err_set(err, BASE_E_CORRUPT, "image", 0, "%s: is empty", name);
    }
    if (image.format == PRG_IMAGE_ELF) {
        status = prg_image_read_elf(bytes, length, name, &image, err);
    } else if (image.format == PRG_IMAGE_HEX) {
        status = prg_image_read_hex(bytes, length, name, &image, err);
    } else {
        status = prg_image_add(&image, name, 1, base, bytes, length, err);
    }
    if (status == BASE_OK) {
        status = settle(&image, name, err);
    }
    if (status != BASE_OK) {
        prg_image_done(&image);
        return status;
    }
    base_sha256(bytes, length, image.sha256);
    *ret_image = image;
    return BASE_OK;
}

enum base_status prg_image_load(const char *path, const struct prg_image_opts *opts,
    struct prg_image *ret_image, struct base_err *err)
{
    struct base_buf buf;
    base_buf_init(&buf, PRG_IMAGE_MAX_FILE_BYTES);
    enum base_status status = base_file_read(path, &buf, err);
    if (status == BASE_OK) {
        status = prg_image_parse(buf.data, buf.length, path, opts, ret_image, err);
    }
    base_buf_done(&buf);
    return status;
}

void prg_image_copy(const struct prg_image *image, uint32_t address, uint32_t length, uint8_t fill,
    uint8_t *ret_bytes)
{
    uint64_t end = (uint64_t)address + length;
    memset(ret_bytes, fill, length);
    for (size_t i = 0; i < image->count; i++) {
        const struct prg_segment *segment = &image->segments[i];
        uint64_t segment_end = (uint64_t)segment->address + segment->length;
        uint64_t from = segment->address > address ? segment->address : address;
        uint64_t to = segment_end < end ? segment_end : end;
        if (from < to) {
            memcpy(ret_bytes + (from - address), segment->data + (from - segment->address),
                (size_t)(to - from));
        }
    }
}

bool prg_image_touches(const struct prg_image *image, uint32_t address, uint32_t length)
{
    uint64_t end = (uint64_t)address + length;
    for (size_t i = 0; i < image->count; i++) {
        const struct prg_segment *segment = &image->segments[i];
        if (segment->address < end && (uint64_t)segment->address + segment->length > address) {
            return true;
        }
    }
    return false;
}
