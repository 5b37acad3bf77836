/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/mem.h"

#include <string.h>

#include "base/buf.h"

/* ADIv5.2 C2.2.1 and the AHB-AP's HPROT/MasterType: privileged data access as a debugger. */
#define CSW_SIZE_MASK  0x07U
#define CSW_SIZE_BYTE  0x00U
#define CSW_SIZE_WORD  0x02U
#define CSW_INC_MASK   0x30U
#define CSW_INC_OFF    0x00U
#define CSW_INC_SINGLE 0x10U
#define CSW_DEVICE_EN  0x40U
#define CSW_AHB_PROT   0x23000000U

#define TAR_WINDOW  1024U
#define CHUNK_WORDS 4096U
#define MAX_AP      4U

static bool is_shut(const struct base_err *err)
{
    return err->status == BASE_E_TARGET;
}

enum base_status prg_mem_prepare(struct prg_link *link, unsigned ap, struct base_err *err)
{
    if (ap >= MAX_AP) {
        return base_err_set(err, BASE_E_ARG, "AP", ap, "there is no access port %u", ap);
    }
    if (link->cache.base_known[ap]) {
        return BASE_OK;
    }
    uint8_t idr[4];
    uint8_t csw[4];
    struct base_err cause = { .status = BASE_OK };
    prg_swd_queue_ap_read(link, ap, PRG_AP_IDR, idr);
    prg_swd_queue_ap_read(link, ap, PRG_AP_CSW, csw);
    enum base_status status = prg_swd_flush(link, &cause);
    if (status != BASE_OK && !is_shut(&cause)) {
        status = base_err_set(err, status, cause.domain, cause.detail, "%s", cause.message);
        base_err_set_code(err, cause.code);
        return status;
    }
    if (status != BASE_OK || base_get_le32(idr) == 0 || (base_get_le32(csw) & CSW_DEVICE_EN) == 0) {
        return base_err_set(
            err, BASE_E_LOCKED, "AP", ap, "access port %u of the target is closed", ap);
    }
    link->cache.csw_base[ap] =
        (base_get_le32(csw) & ~(CSW_SIZE_MASK | CSW_INC_MASK)) | CSW_AHB_PROT;
    link->cache.base_known[ap] = true;
    return BASE_OK;
}

static void queue_csw(struct prg_link *link, unsigned ap, uint32_t mode)
{
    struct prg_swd_cache *cache = &link->cache;
    uint32_t csw = cache->csw_base[ap] | mode;
    if (!cache->csw_known[ap] || cache->csw[ap] != csw) {
        prg_swd_queue_ap_write(link, ap, PRG_AP_CSW, csw);
        cache->csw[ap] = csw;
        cache->csw_known[ap] = true;
    }
}

static void queue_tar(struct prg_link *link, unsigned ap, uint32_t address)
{
    struct prg_swd_cache *cache = &link->cache;
    if (!cache->tar_known[ap] || cache->tar[ap] != address) {
        prg_swd_queue_ap_write(link, ap, PRG_AP_TAR, address);
        cache->tar[ap] = address;
        cache->tar_known[ap] = true;
    }
}

void prg_mem_queue_write(struct prg_link *link, unsigned ap, uint32_t address, uint32_t value)
{
    queue_csw(link, ap, CSW_SIZE_WORD | CSW_INC_OFF);
    queue_tar(link, ap, address);
    prg_swd_queue_ap_write(link, ap, PRG_AP_DRW, value);
}

void prg_mem_queue_read(struct prg_link *link, unsigned ap, uint32_t address, uint8_t *dest)
{
    queue_csw(link, ap, CSW_SIZE_WORD | CSW_INC_OFF);
    queue_tar(link, ap, address);
    prg_swd_queue_ap_read(link, ap, PRG_AP_DRW, dest);
}

void prg_mem_queue_match(
    struct prg_link *link, unsigned ap, uint32_t address, uint32_t mask, uint32_t value)
{
    queue_csw(link, ap, CSW_SIZE_WORD | CSW_INC_OFF);
    queue_tar(link, ap, address);
    prg_queue_transfer(link, PRG_DAP_MASK, mask, NULL);
    prg_queue_transfer(
        link, PRG_DAP_AP | PRG_DAP_READ | PRG_DAP_MATCH | PRG_AP_DRW, value & mask, NULL);
}

/* One stretch inside a TAR window. */
static void queue_stretch(struct prg_link *link, unsigned ap, uint32_t address,
    const uint8_t *bytes, uint8_t *dest, uint32_t words)
{
    queue_csw(link, ap, CSW_SIZE_WORD | CSW_INC_SINGLE);
    queue_tar(link, ap, address);
    uint8_t request = PRG_DAP_AP | PRG_AP_DRW | (bytes == NULL ? PRG_DAP_READ : 0U);
    prg_queue_run(link, request, bytes, dest, words);
    uint32_t end = address + words * 4;
    link->cache.tar[ap] = end;
    /* Past the window TAR may have wrapped: written anew next time. */
    link->cache.tar_known[ap] = end % TAR_WINDOW != 0;
}

static void queue_block(struct prg_link *link, unsigned ap, uint32_t address, const uint8_t *bytes,
    uint8_t *dest, uint32_t words)
{
    while (words > 0) {
        uint32_t room = (TAR_WINDOW - address % TAR_WINDOW) / 4;
        uint32_t part = words < room ? words : room;
        queue_stretch(link, ap, address, bytes, dest, part);
        address += part * 4;
        words -= part;
        bytes = bytes == NULL ? NULL : bytes + (size_t)part * 4;
        dest = dest == NULL ? NULL : dest + (size_t)part * 4;
    }
}

void prg_mem_queue_write_block(
    struct prg_link *link, unsigned ap, uint32_t address, const uint8_t *bytes, uint32_t words)
{
    queue_block(link, ap, address, bytes, NULL, words);
}

void prg_mem_queue_read_block(
    struct prg_link *link, unsigned ap, uint32_t address, uint8_t *dest, uint32_t words)
{
    queue_block(link, ap, address, NULL, dest, words);
}

enum base_status prg_mem_read_word(
    struct prg_link *link, unsigned ap, uint32_t address, uint32_t *ret_value, struct base_err *err)
{
    uint8_t word[4];
    enum base_status status = prg_mem_prepare(link, ap, err);
    if (status != BASE_OK) {
        return status;
    }
    prg_mem_queue_read(link, ap, address, word);
    status = prg_swd_flush(link, err);
    if (status != BASE_OK) {
        (void)base_err_prefix(err, "reading %08x: ", (unsigned)address);
        return status;
    }
    *ret_value = base_get_le32(word);
    return BASE_OK;
}

enum base_status prg_mem_write_word(
    struct prg_link *link, unsigned ap, uint32_t address, uint32_t value, struct base_err *err)
{
    enum base_status status = prg_mem_prepare(link, ap, err);
    if (status != BASE_OK) {
        return status;
    }
    uint8_t ignored[4];
    prg_mem_queue_write(link, ap, address, value);
    prg_swd_queue_dp_read(link, PRG_DP_RDBUFF, ignored);
    status = prg_swd_flush(link, err);
    if (status != BASE_OK) {
        (void)base_err_prefix(err, "writing %08x: ", (unsigned)address);
    }
    return status;
}

static enum base_status check_range(uint32_t address, uint32_t length, struct base_err *err)
{
    if (length > 0 && (uint64_t)address + length > UINT64_C(0x100000000)) {
        return base_err_set(err, BASE_E_ARG, "address", address,
            "%u bytes from %08x reach beyond the address space", (unsigned)length,
            (unsigned)address);
    }
    return BASE_OK;
}

/* Whole words around an odd edge: read, then copy the part that was asked for. */
static enum base_status read_edge(struct prg_link *link, unsigned ap, uint32_t address,
    uint32_t length, uint8_t *ret_bytes, struct base_err *err)
{
    uint32_t word = 0;
    uint8_t bytes[4];
    enum base_status status = prg_mem_read_word(link, ap, address & ~3U, &word, err);
    if (status == BASE_OK) {
        base_put_le32(bytes, word);
        memcpy(ret_bytes, bytes + (address & 3U), length);
    }
    return status;
}

static enum base_status read_words(struct prg_link *link, unsigned ap, uint32_t address,
    uint32_t words, uint8_t *ret_bytes, struct base_err *err)
{
    while (words > 0) {
        uint32_t part = words < CHUNK_WORDS ? words : CHUNK_WORDS;
        prg_mem_queue_read_block(link, ap, address, ret_bytes, part);
        enum base_status status = prg_swd_flush(link, err);
        if (status != BASE_OK) {
            (void)base_err_prefix(
                err, "reading %u bytes from %08x: ", (unsigned)part * 4, (unsigned)address);
            return status;
        }
        address += part * 4;
        ret_bytes += (size_t)part * 4;
        words -= part;
    }
    return BASE_OK;
}

enum base_status prg_mem_read(struct prg_link *link, unsigned ap, uint32_t address, uint32_t length,
    uint8_t *ret_bytes, struct base_err *err)
{
    enum base_status status = check_range(address, length, err);
    if (status == BASE_OK) {
        status = prg_mem_prepare(link, ap, err);
    }
    if (status == BASE_OK && (address & 3U) != 0 && length > 0) {
        uint32_t part = 4 - (address & 3U);
        part = part < length ? part : length;
        status = read_edge(link, ap, address, part, ret_bytes, err);
        address += part;
        ret_bytes += part;
        length -= part;
    }
    if (status == BASE_OK) {
        status = read_words(link, ap, address, length / 4, ret_bytes, err);
    }
    if (status == BASE_OK && length % 4 != 0) {
        uint32_t done = length & ~3U;
        status = read_edge(link, ap, address + done, length - done, ret_bytes + done, err);
    }
    return status;
}

static void queue_bytes(
    struct prg_link *link, unsigned ap, uint32_t address, const uint8_t *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++) {
        uint32_t at = address + i;
        queue_csw(link, ap, CSW_SIZE_BYTE | CSW_INC_OFF);
        queue_tar(link, ap, at);
        prg_swd_queue_ap_write(link, ap, PRG_AP_DRW, (uint32_t)bytes[i] << (8 * (at & 3U)));
    }
}

enum base_status prg_mem_write(struct prg_link *link, unsigned ap, uint32_t address,
    const uint8_t *bytes, uint32_t length, struct base_err *err)
{
    enum base_status status = check_range(address, length, err);
    if (status == BASE_OK) {
        status = prg_mem_prepare(link, ap, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    uint32_t head = (4 - (address & 3U)) & 3U;
    head = head < length ? head : length;
    uint32_t words = (length - head) / 4;
    uint32_t tail = (length - head) % 4;
    uint8_t ignored[4];
    queue_bytes(link, ap, address, bytes, head);
    prg_mem_queue_write_block(link, ap, address + head, bytes + head, words);
    queue_bytes(link, ap, address + length - tail, bytes + length - tail, tail);
    prg_swd_queue_dp_read(link, PRG_DP_RDBUFF, ignored);
    status = prg_swd_flush(link, err);
    if (status != BASE_OK) {
        (void)base_err_prefix(
            err, "writing %u bytes to %08x: ", (unsigned)length, (unsigned)address);
    }
    return status;
}

enum base_status prg_mem_wait(struct prg_link *link, unsigned ap, uint32_t address, uint32_t mask,
    uint32_t value, int64_t timeout_us, struct base_err *err)
{
    int64_t end_us = link->wire_us + timeout_us;
    for (;;) {
        enum base_status status = prg_mem_prepare(link, ap, err);
        if (status != BASE_OK) {
            return status;
        }
        struct base_err cause = { .status = BASE_OK };
        prg_queue_fence(link, 30, 0);
        prg_mem_queue_match(link, ap, address, mask, value);
        status = prg_swd_flush(link, &cause);
        if (status == BASE_OK) {
            return BASE_OK;
        }
        if (strcmp(cause.code, "mismatch") != 0 || link->wire_us >= end_us) {
            status = base_err_set(err, status, cause.domain, cause.detail,
                "waiting for %08x at %08x: %s", (unsigned)value, (unsigned)address, cause.message);
            base_err_set_code(err, cause.code);
            return status;
        }
    }
}
