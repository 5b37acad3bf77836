/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_IMAGE_H
#define PRG_IMAGE_H

/**
 * @file
 * Program images: ELF (32-bit little-endian ARM, load segments at their physical address), Intel
 * HEX, and plain binary at a base address. Files are hostile input: every length and address is
 * checked, limits are stated, nothing is executed or followed.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define PRG_IMAGE_MAX_FILE_BYTES (8U * 1024U * 1024U)
#define PRG_IMAGE_MAX_BYTES      (4U * 1024U * 1024U) /**< sum of all segments */
#define PRG_IMAGE_MAX_SEGMENTS   256U

enum prg_image_format {
    PRG_IMAGE_AUTO, /**< ELF magic, then ':' for Intel HEX, else binary */
    PRG_IMAGE_ELF,
    PRG_IMAGE_HEX,
    PRG_IMAGE_BIN,
};

struct prg_segment {
    uint32_t address; /**< on the target's bus */
    uint32_t length;  /**< bytes, > 0; address + length <= 2^32 */
    uint8_t *data;    /**< owned by the image */
};

struct prg_image {
    struct prg_segment *segments; /**< ascending, neither overlapping nor touching */
    size_t count;
    uint32_t total_bytes;
    enum prg_image_format format; /**< what it was read as */
    uint8_t sha256[32];           /**< of the file's bytes as they lie on disk */
};

struct prg_image_opts {
    enum prg_image_format format;
    uint32_t base; /**< address of a binary's first byte; 0 = 0x10000000, start of main flash */
};

/**
 * Read an image file.
 *
 * Segments above 0x90000000 of an Intel HEX file (checksum, metadata and fuse records of
 * programming files, not bus addresses) are left out.
 *
 * @param opts  NULL = defaults
 * @return BASE_OK; BASE_E_NOTFOUND, BASE_E_IO; BASE_E_CORRUPT: truncated, malformed or overlapping,
 * one sentence with the place; BASE_E_ARG: over a limit; BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status prg_image_load(const char *path, const struct prg_image_opts *opts,
    struct prg_image *ret_image, struct base_err *err);

/** The same from bytes in memory; @p name is used in sentences only. */
BASE_MUST_CHECK
enum base_status prg_image_parse(const void *bytes, size_t length, const char *name,
    const struct prg_image_opts *opts, struct prg_image *ret_image, struct base_err *err);

/** Free what the image owns; accepts NULL, a zeroed object and repeated calls. */
void prg_image_done(struct prg_image *image);

/** Copy @p length target bytes from @p address; bytes that no segment holds are @p fill. */
void prg_image_copy(const struct prg_image *image, uint32_t address, uint32_t length, uint8_t fill,
    uint8_t *ret_bytes);

/** True when any segment has a byte in [address, address + length). */
bool prg_image_touches(const struct prg_image *image, uint32_t address, uint32_t length);

#endif
