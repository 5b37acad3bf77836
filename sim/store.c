/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/chip.h"

#include <string.h>

#include "base/file.h"
#include "sim/die.h"
#include "sim/sha256.h"

/* The board file: magic, version, die, non-volatile memory, SHA-256 of all before it. Integers
 * little-endian. */

#define MAGIC       "LPASIM01"
#define HEADER_SIZE 24U
#define NVM_BYTES                                                                                  \
    (SIM_FLASH_SIZE + SIM_WORK_SIZE + SIM_SFLASH_SIZE + SIM_EFUSE_BYTES + SIM_ALL_ROWS * 4U)
#define FILE_SIZE (HEADER_SIZE + NVM_BYTES + 32U)

static enum base_status append_wear(
    const struct sim_chip *chip, struct base_buf *buf, struct base_err *err)
{
    for (unsigned i = 0; i < SIM_ALL_ROWS; i++) {
        uint8_t word[4];
        sim_mem_put32(word, chip->nvm.row_erases[i]);
        enum base_status status = base_buf_append(buf, word, sizeof(word), err);
        if (status != BASE_OK)
            return status;
    }
    return BASE_OK;
}

static enum base_status serialise(
    const struct sim_chip *chip, struct base_buf *buf, struct base_err *err)
{
    uint8_t header[HEADER_SIZE] = { 0 };
    memcpy(header, MAGIC, 8);
    sim_mem_put32(header + 8, (uint32_t)chip->unique_id);
    sim_mem_put32(header + 12, (uint32_t)(chip->unique_id >> 32));
    sim_mem_put32(header + 16, chip->silicon_id);
    sim_mem_put32(header + 20, NVM_BYTES);
    enum base_status status = base_buf_append(buf, header, sizeof(header), err);
    if (status == BASE_OK)
        status = base_buf_append(buf, chip->nvm.flash, SIM_FLASH_SIZE, err);
    if (status == BASE_OK)
        status = base_buf_append(buf, chip->nvm.work, SIM_WORK_SIZE, err);
    if (status == BASE_OK)
        status = base_buf_append(buf, chip->nvm.sflash, SIM_SFLASH_SIZE, err);
    if (status == BASE_OK)
        status = base_buf_append(buf, chip->nvm.efuse, SIM_EFUSE_BYTES, err);
    if (status == BASE_OK)
        status = append_wear(chip, buf, err);
    if (status != BASE_OK)
        return status;
    struct sim_sha256 sha;
    uint8_t digest[32];
    sim_sha256_init(&sha);
    sim_sha256_add(&sha, buf->data, buf->length);
    sim_sha256_end(&sha, digest);
    return base_buf_append(buf, digest, sizeof(digest), err);
}

enum base_status sim_chip_save(const struct sim_chip *chip, const char *path, struct base_err *err)
{
    struct base_buf buf;
    base_buf_init(&buf, FILE_SIZE);
    enum base_status status = serialise(chip, &buf, err);
    if (status == BASE_OK)
        status = base_file_replace(path, buf.data, buf.length, 0600, err);
    base_buf_done(&buf);
    return status;
}

static enum base_status check(
    const struct sim_chip *chip, const struct base_buf *buf, const char *path, struct base_err *err)
{
    if (buf->length != FILE_SIZE || memcmp(buf->data, MAGIC, 8) != 0 ||
        sim_mem_get32(buf->data + 20) != NVM_BYTES)
        return base_err_set(err, BASE_E_CORRUPT, "sim", 0,
            "%s is not a board file of this version; name another file or remove it", path);
    struct sim_sha256 sha;
    uint8_t digest[32];
    sim_sha256_init(&sha);
    sim_sha256_add(&sha, buf->data, FILE_SIZE - 32);
    sim_sha256_end(&sha, digest);
    if (memcmp(digest, buf->data + FILE_SIZE - 32, 32) != 0)
        return base_err_set(err, BASE_E_CORRUPT, "sim", 0,
            "%s is damaged (checksum); remove it to start with a new board", path);
    uint64_t id = sim_mem_get32(buf->data + 8) | (uint64_t)sim_mem_get32(buf->data + 12) << 32;
    if (id != chip->unique_id || sim_mem_get32(buf->data + 16) != chip->silicon_id)
        return base_err_set(err, BASE_E_CORRUPT, "sim", 0,
            "%s belongs to the board with the unique id %016llx; name that board or another file",
            path, (unsigned long long)id);
    return BASE_OK;
}

static void restore(struct sim_chip *chip, const uint8_t *data)
{
    memcpy(chip->nvm.flash, data, SIM_FLASH_SIZE);
    data += SIM_FLASH_SIZE;
    memcpy(chip->nvm.work, data, SIM_WORK_SIZE);
    data += SIM_WORK_SIZE;
    memcpy(chip->nvm.sflash, data, SIM_SFLASH_SIZE);
    data += SIM_SFLASH_SIZE;
    memcpy(chip->nvm.efuse, data, SIM_EFUSE_BYTES);
    data += SIM_EFUSE_BYTES;
    for (unsigned i = 0; i < SIM_ALL_ROWS; i++)
        chip->nvm.row_erases[i] = sim_mem_get32(data + i * 4);
}

enum base_status sim_chip_load(struct sim_chip *chip, const char *path, struct base_err *err)
{
    struct base_buf buf;
    base_buf_init(&buf, FILE_SIZE + 1);
    enum base_status status = base_file_read(path, &buf, err);
    if (status == BASE_E_ARG) { /* longer than any board file */
        base_err_clear(err);
        status = base_err_set(err, BASE_E_CORRUPT, "sim", 0,
            "%s is not a board file of this version; name another file or remove it", path);
    }
    if (status == BASE_OK)
        status = check(chip, &buf, path, err);
    if (status == BASE_OK) {
        sim_chip_set_power(chip, false);
        restore(chip, buf.data + HEADER_SIZE);
        sim_chip_set_power(chip, true);
    }
    base_buf_done(&buf);
    return status;
}
