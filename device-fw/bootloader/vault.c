/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/vault.h"

#include "device-fw/bootloader/guard.h"
#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/bootloader/srom.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/bytes.h"

#include <string.h>

#define VERIFY_CHUNK     32U
#define INVALIDATE_TRIES 1000U

static const uint32_t home[2] = { PROTO_VAULT_HOME_0, PROTO_VAULT_HOME_1 };

enum find {
    FIND_BLANK,
    FIND_GARBAGE,
    FIND_FOREIGN,
    FIND_GOOD,
};

/* What was read before the write may still lie in the flash controller's caches. */
static void invalidate_caches(void)
{
    bl_hal_write32(BL_FLASHC_FLASH_CMD, BL_FLASHC_FLASH_CMD_INVALIDATE);
    for (uint32_t i = 0; i < INVALIDATE_TRIES; i++) {
        if ((bl_hal_read32(BL_FLASHC_FLASH_CMD) & BL_FLASHC_FLASH_CMD_INVALIDATE) == 0)
            return;
    }
}

static bool holds(uint32_t address, const uint8_t row[BL_RECORD_SIZE])
{
    uint8_t chunk[VERIFY_CHUNK];
    bool equal = true;

    for (uint32_t at = 0; at < BL_RECORD_SIZE; at += VERIFY_CHUNK) {
        bl_hal_read(address + at, chunk, sizeof(chunk));
        equal = proto_equal(chunk, row + at, sizeof(chunk)) && equal;
    }
    bl_wipe(chunk, sizeof(chunk));
    return equal;
}

/* @p gate: BL_YES from whoever has looked at the row. */
static bool write_home(uint32_t address, const uint8_t row[BL_RECORD_SIZE], uint32_t gate)
{
    const volatile uint32_t again = gate;
    bool done = gate == BL_YES && bl_srom_erase_row(address) && again == BL_YES &&
                bl_srom_program_row(address, row);

    invalidate_caches();
    return done && holds(address, row);
}

static enum find look(const uint8_t row[BL_RECORD_SIZE], const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
    struct bl_record *record)
{
    if (!bl_record_decode(row, record))
        return proto_is_zero(row, BL_RECORD_SIZE) ? FIND_BLANK : FIND_GARBAGE;
    return proto_equal(record->chip_id, chip_id, PROTO_CHIP_ID_SIZE) ? FIND_GOOD : FIND_FOREIGN;
}

/* No home has a record of ours. The second home is written only after the first is good, so that an
 * unfinished very first write, of which nobody has heard yet, leaves it blank. */
static enum proto_status judge_none(const enum find found[2])
{
    if (found[0] == FIND_FOREIGN || found[1] == FIND_FOREIGN)
        return PROTO_FOREIGN_RECORD;
    return found[1] == FIND_BLANK ? PROTO_OK : PROTO_VAULT_CORRUPT;
}

/* Choose the home to believe: 0, 1, or -1 for none. */
static int choose(
    const enum find found[2], const struct bl_record *first, const struct bl_record *second)
{
    if (found[0] == FIND_GOOD && (found[1] != FIND_GOOD || first->sequence >= second->sequence))
        return 0;
    return found[1] == FIND_GOOD ? 1 : -1;
}

enum proto_status bl_vault_load(struct bl_vault *vault, const uint8_t chip_id[PROTO_CHIP_ID_SIZE])
{
    uint8_t *row[2] = { vault->rows, vault->rows + BL_RECORD_SIZE };
    enum find found[2];
    int chosen;

    invalidate_caches();
    for (unsigned i = 0; i < 2; i++)
        bl_hal_read(home[i], row[i], BL_RECORD_SIZE);
    found[0] = look(row[0], chip_id, &vault->record);
    found[1] = look(row[1], chip_id, &vault->draft);
    chosen = choose(found, &vault->record, &vault->draft);
    vault->present = chosen >= 0;
    vault->status = PROTO_OK;
    if (chosen < 0) {
        bl_wipe(&vault->record, sizeof(vault->record));
        vault->status = judge_none(found);
    } else {
        unsigned from = (unsigned)chosen;

        if (from == 1)
            vault->record = vault->draft;
        if (!proto_equal(row[0], row[1], BL_RECORD_SIZE) &&
            !write_home(home[1U - from], row[from], BL_YES))
            vault->status = PROTO_FLASH_FAILED;
    }
    bl_wipe(&vault->draft, sizeof(vault->draft));
    bl_wipe(vault->rows, sizeof(vault->rows));
    return vault->status;
}

struct bl_record *bl_vault_draft(struct bl_vault *vault, const uint8_t chip_id[PROTO_CHIP_ID_SIZE])
{
    vault->draft = vault->record;
    memcpy(vault->draft.chip_id, chip_id, PROTO_CHIP_ID_SIZE);
    return &vault->draft;
}

/* BL_NO: no record of ours, or not locked. */
static uint32_t shows_lock(uint32_t address)
{
    uint8_t start[BL_RECORD_STATE_AT + 1U];

    bl_hal_read(address, start, sizeof(start));
    return bl_record_start_state(start) == PROTO_VAULT_LOCKED ? BL_YES : BL_NO;
}

uint32_t bl_vault_shows_lock(void)
{
    uint32_t first = shows_lock(home[0]);
    uint32_t second = shows_lock(home[1]);

    return first == BL_NO ? second : first;
}

uint32_t bl_vault_is_true(struct bl_vault *vault)
{
    uint32_t result = BL_YES;

    bl_record_encode(&vault->record, vault->rows);
    for (unsigned i = 0; i < 2; i++) {
        bl_hal_read(home[i], vault->rows + BL_RECORD_SIZE, BL_RECORD_SIZE);
        if (bl_hardened_equal(vault->rows, vault->rows + BL_RECORD_SIZE, BL_RECORD_SIZE) != BL_YES)
            result = BL_NO;
    }
    bl_wipe(vault->rows, sizeof(vault->rows));
    return result;
}

/* Encode the draft, twice, and let the guard look at it. */
static uint32_t prepare(struct bl_vault *vault, uint32_t act, const struct bl_installed *second)
{
    uint8_t *old = vault->rows + BL_RECORD_SIZE;

    if (act != BL_ACT_IDENTITY && (!vault->present || bl_vault_is_true(vault) != BL_YES))
        return BL_NO;
    if (act == BL_ACT_IDENTITY && vault->present)
        return BL_NO;
    vault->draft.sequence = vault->record.sequence + 1U;
    bl_record_encode(&vault->draft, vault->rows);
    bl_record_encode(&vault->draft, old);
    if (bl_hardened_equal(vault->rows, old, BL_RECORD_SIZE) != BL_YES)
        return BL_NO;
    bl_hal_read(home[0], old, BL_RECORD_SIZE);
    return bl_guard_row(act, vault->rows, old, second);
}

enum proto_status bl_vault_commit_as(
    struct bl_vault *vault, uint32_t act, const struct bl_installed *second)
{
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
    volatile uint32_t gate = BL_NO;
    bool done;

    memcpy(chip_id, vault->draft.chip_id, sizeof(chip_id));
    gate = prepare(vault, act, second);
    done = gate == BL_YES && write_home(home[0], vault->rows, gate) &&
           write_home(home[1], vault->rows, gate);
    if (done) {
        vault->record = vault->draft;
        vault->present = true;
        done = bl_vault_is_true(vault) == BL_YES;
    }
    bl_wipe(&vault->draft, sizeof(vault->draft));
    bl_wipe(vault->rows, sizeof(vault->rows));
    if (done)
        return PROTO_OK;
    /* Flash decides what is true now; the caller hears of the failure in any case. */
    (void)bl_vault_load(vault, chip_id);
    return PROTO_FLASH_FAILED;
}

enum proto_status bl_vault_commit(struct bl_vault *vault)
{
    return bl_vault_commit_as(vault, BL_ACT_COUNTERS, &vault->draft.installed);
}

void bl_vault_installed_hash(uint8_t ret_hash[PROTO_HASH_SIZE])
{
    uint8_t installed[BL_RECORD_INSTALLED_SIZE];

    bl_hal_read(home[BL_VAULT_RECEIPT_SLOT] + BL_RECORD_INSTALLED_AT, installed, sizeof(installed));
    bl_sha256(installed, sizeof(installed), ret_hash);
    bl_wipe(installed, sizeof(installed));
}
