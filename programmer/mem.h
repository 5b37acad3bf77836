/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_MEM_H
#define PRG_MEM_H

/**
 * @file
 * Target memory through a MEM-AP; internal to programmer/.
 *
 * CSW and TAR are cached and dropped on any error. TAR's automatic increment is only relied on
 * inside 1 KiB. Errors are those of prg_swd_flush().
 */

#include "programmer/swd.h"

/**
 * Look at an access port once per connection: does it exist, is it open, what does its CSW hold.
 *
 * @return BASE_OK; BASE_E_LOCKED: the port refuses (FAULT, no IDR, or DeviceEn = 0); else as
 * prg_swd_flush()
 */
BASE_MUST_CHECK
enum base_status prg_mem_prepare(struct prg_link *link, unsigned ap, struct base_err *err);

/** Append single word accesses (no automatic increment); @p address is a multiple of 4. The port
 * must be prepared. Each needs at most 15 bytes of a request, 4 of an answer. */
void prg_mem_queue_write(struct prg_link *link, unsigned ap, uint32_t address, uint32_t value);
void prg_mem_queue_read(struct prg_link *link, unsigned ap, uint32_t address, uint8_t *dest);
/** Append a wait in the probe until (word & mask) == value; at most 25 bytes of a request. Flush
 * right behind it, or put only what may also run early behind it in the same packet. */
void prg_mem_queue_match(
    struct prg_link *link, unsigned ap, uint32_t address, uint32_t mask, uint32_t value);

/** Append a block of words with automatic increment; @p address multiple of 4. @p bytes must live
 * until the flush. */
void prg_mem_queue_write_block(
    struct prg_link *link, unsigned ap, uint32_t address, const uint8_t *bytes, uint32_t words);
void prg_mem_queue_read_block(
    struct prg_link *link, unsigned ap, uint32_t address, uint8_t *dest, uint32_t words);

BASE_MUST_CHECK
enum base_status prg_mem_read_word(struct prg_link *link, unsigned ap, uint32_t address,
    uint32_t *ret_value, struct base_err *err);
BASE_MUST_CHECK
enum base_status prg_mem_write_word(
    struct prg_link *link, unsigned ap, uint32_t address, uint32_t value, struct base_err *err);

/** Any alignment and length; whole words are read around the edges. */
BASE_MUST_CHECK
enum base_status prg_mem_read(struct prg_link *link, unsigned ap, uint32_t address, uint32_t length,
    uint8_t *ret_bytes, struct base_err *err);

/** Any alignment and length; the edges by byte accesses. Not proven written before it returns
 * BASE_OK (RDBUFF is read). */
BASE_MUST_CHECK
enum base_status prg_mem_write(struct prg_link *link, unsigned ap, uint32_t address,
    const uint8_t *bytes, uint32_t length, struct base_err *err);

/**
 * Wait in the probe until (word & mask) == value, @p timeout_us of wire time at most.
 *
 * @return BASE_OK; BASE_E_TIMEOUT code "mismatch"; else as prg_swd_flush()
 */
BASE_MUST_CHECK
enum base_status prg_mem_wait(struct prg_link *link, unsigned ap, uint32_t address, uint32_t mask,
    uint32_t value, int64_t timeout_us, struct base_err *err);

#endif
