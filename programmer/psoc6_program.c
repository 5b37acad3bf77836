/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/psoc6_flash.h"

#include <stdlib.h>
#include <string.h>

#include "programmer/psoc6_agent.h"

#define ROW            PSOC6_ROW_BYTES
#define SECTOR_ROWS    (PSOC6_SECTOR_BYTES / ROW)
#define GLANCE_BYTES   60U /* of one small packet */
#define SUBSECTOR_ROWS (PSOC6_SUBSECTOR_BYTES / ROW)

/* The sectors that an image touches, row by row. */
struct plan {
    struct prg_psoc6 *chip;
    const struct prg_image *image;
    struct prg_flash_progress told;
    uint32_t address; /* first row */
    uint32_t rows;    /* whole sectors */
    uint32_t image_rows;
    uint32_t holds[PRG_AGENT_WORDS];  /* the row has image bytes */
    uint32_t empty[PRG_AGENT_WORDS];  /* of these: all of them are the erased value */
    uint32_t blank[PRG_AGENT_WORDS];  /* the row is erased on the chip */
    uint32_t change[PRG_AGENT_WORDS]; /* the row is to become what the image says */
    uint32_t crc[PRG_AGENT_ROWS_MAX]; /* on the chip; valid where looked at */
};

static uint32_t address_of(const struct plan *plan, uint32_t row)
{
    return plan->address + row * ROW;
}

static void image_row(const void *user, uint32_t address, uint8_t ret_row[ROW])
{
    prg_image_copy(user, address, ROW, 0, ret_row);
}

static bool is_empty(const struct plan *plan, uint32_t address)
{
    static const uint8_t erased[ROW] = { 0 };
    uint8_t row[ROW];
    prg_image_copy(plan->image, address, ROW, 0, row);
    return memcmp(row, erased, sizeof(row)) == 0;
}

static void lay_out(struct plan *plan)
{
    const struct prg_image *image = plan->image;
    const struct prg_segment *last = &image->segments[image->count - 1];
    uint32_t end = last->address + last->length;
    uint32_t start = 0;
    uint32_t length = 0;
    plan->address = image->segments[0].address & ~(PSOC6_SECTOR_BYTES - 1);
    end = (end + PSOC6_SECTOR_BYTES - 1) & ~(PSOC6_SECTOR_BYTES - 1);
    plan->rows = (end - plan->address) / ROW;
    for (uint32_t from = plan->address; prg_flash_next_rows(image, from, &start, &length);
         from = start + length) {
        for (uint32_t at = start; at < start + length; at += ROW) {
            uint32_t row = (at - plan->address) / ROW;
            prg_agent_set_bit(plan->holds, row, true);
            prg_agent_set_bit(plan->empty, row, is_empty(plan, at));
            plan->image_rows++;
        }
    }
}

/* ---------------------------------------------------------------------------------------- look */

static uint32_t image_crc(const struct plan *plan, uint32_t address)
{
    uint8_t bytes[ROW];
    prg_image_copy(plan->image, address, ROW, 0, bytes);
    return prg_agent_row_crc(bytes);
}

/* One run of the image's rows. The total tells whether all of them are right; where they are not,
 * or are not expected to be, each row's CRC is fetched. */
static enum base_status look_at_run(
    struct plan *plan, uint32_t start, uint32_t length, bool each, struct base_err *err)
{
    uint32_t *crc = plan->crc + (start - plan->address) / ROW;
    uint32_t want = 0;
    uint32_t have = 0;
    if (each) {
        return prg_agent_digest(plan->chip, start, length / ROW, crc, &have, err);
    }
    for (uint32_t at = 0; at < length; at += ROW) {
        crc[at / ROW] = image_crc(plan, start + at);
        want = prg_agent_total(want, crc[at / ROW]);
    }
    enum base_status status = prg_agent_digest(plan->chip, start, length / ROW, NULL, &have, err);
    if (status == BASE_OK && want != have) {
        status = prg_agent_digest(plan->chip, start, length / ROW, crc, &have, err);
    }
    return status;
}

/* CRCs of all the image's rows on the chip. */
static enum base_status look_at_rows(struct plan *plan, bool each, struct base_err *err)
{
    uint32_t start = 0;
    uint32_t length = 0;
    enum base_status status = BASE_OK;
    for (uint32_t from = plan->address;
         status == BASE_OK && prg_flash_next_rows(plan->image, from, &start, &length);
         from = start + length) {
        status = look_at_run(plan, start, length, each, err);
    }
    return status;
}

static bool same(const struct plan *plan, uint32_t row)
{
    return image_crc(plan, address_of(plan, row)) == plan->crc[row];
}

/* Blank where the image is not, or the other way round: such a row cannot be right. */
static bool surely_differs(const struct plan *plan)
{
    for (uint32_t row = 0; row < plan->rows; row++) {
        if (prg_agent_bit(plan->holds, row) &&
            prg_agent_bit(plan->empty, row) != prg_agent_bit(plan->blank, row)) {
            return true;
        }
    }
    return false;
}

/* A few words over the wire are cheaper than a digest of all, and mostly tell enough. */
static enum base_status beginning_differs(
    const struct plan *plan, bool *ret_differs, struct base_err *err)
{
    uint8_t want[GLANCE_BYTES];
    uint8_t have[GLANCE_BYTES];
    uint32_t start = plan->image->segments[0].address & ~(ROW - 1);
    prg_image_copy(plan->image, start, sizeof(want), 0, want);
    enum base_status status = prg_psoc6_read(plan->chip, start, sizeof(have), have, err);
    if (status == BASE_OK) {
        *ret_differs = memcmp(want, have, sizeof(want)) != 0;
    }
    return status;
}

static void change_all(struct plan *plan)
{
    memcpy(plan->change, plan->holds, sizeof(plan->change));
}

/* Which rows are to be changed; none when the CRCs say that all of them are right. */
static enum base_status choose(struct plan *plan, bool keep_same, struct base_err *err)
{
    bool differs = surely_differs(plan);
    enum base_status status = BASE_OK;
    if (!differs && !keep_same) {
        status = beginning_differs(plan, &differs, err);
    }
    if (status != BASE_OK || (differs && !keep_same)) {
        change_all(plan);
        return status;
    }
    status = look_at_rows(plan, keep_same, err);
    bool any = false;
    for (uint32_t row = 0; row < plan->rows && status == BASE_OK; row++) {
        bool change = prg_agent_bit(plan->holds, row) && !same(plan, row);
        prg_agent_set_bit(plan->change, row, change);
        any = any || change;
    }
    if (any && !keep_same) {
        change_all(plan);
    }
    return status;
}

static bool nothing_to_change(const struct plan *plan)
{
    static const uint32_t none[PRG_AGENT_WORDS] = { 0 };
    return memcmp(plan->change, none, sizeof(none)) == 0;
}

/* --------------------------------------------------------------------------------------- erase */

struct stretch {
    uint32_t to_erase; /* rows to change that are not blank */
    uint32_t foreign;  /* rows to keep that are not blank */
};

static struct stretch look_at_stretch(const struct plan *plan, uint32_t from, uint32_t rows)
{
    struct stretch found = { 0, 0 };
    for (uint32_t row = from; row < from + rows; row++) {
        if (!prg_agent_bit(plan->blank, row)) {
            bool change = prg_agent_bit(plan->change, row);
            found.to_erase += change ? 1U : 0U;
            found.foreign += change ? 0U : 1U;
        }
    }
    return found;
}

static enum base_status erase(
    struct plan *plan, uint32_t opcode, uint32_t from, uint32_t rows, struct base_err *err)
{
    const uint32_t words[2] = { opcode, address_of(plan, from) };
    enum base_status status = prg_psoc6_srom(plan->chip, words, 2, 0, NULL, err);
    if (status != BASE_OK) {
        (void)base_err_prefix(err, "erasing %08x: ", (unsigned)words[1]);
        return status;
    }
    for (uint32_t row = from; row < from + rows; row++) {
        prg_agent_set_bit(plan->blank, row, true);
    }
    return BASE_OK;
}

static enum base_status erase_subsector(struct plan *plan, uint32_t from, struct base_err *err)
{
    struct stretch found = look_at_stretch(plan, from, SUBSECTOR_ROWS);
    if (found.to_erase > 0 && found.foreign == 0) {
        return erase(plan, SROM_ERASE_SUBSECTOR, from, SUBSECTOR_ROWS, err);
    }
    enum base_status status = BASE_OK;
    for (uint32_t row = from; row < from + SUBSECTOR_ROWS && status == BASE_OK; row++) {
        if (prg_agent_bit(plan->change, row) && !prg_agent_bit(plan->blank, row)) {
            status = erase(plan, SROM_ERASE_ROW, row, 1, err);
        }
    }
    return status;
}

/* An erase takes the same time whatever its size. Whole sectors where that loses nothing: their
 * other rows are blank already. */
static enum base_status erase_sector(struct plan *plan, uint32_t from, struct base_err *err)
{
    struct stretch found = look_at_stretch(plan, from, SECTOR_ROWS);
    uint32_t parts = 0;
    for (uint32_t at = from; at < from + SECTOR_ROWS; at += SUBSECTOR_ROWS) {
        parts += look_at_stretch(plan, at, SUBSECTOR_ROWS).to_erase > 0 ? 1U : 0U;
    }
    if (found.foreign == 0 && parts > 1) {
        return erase(plan, SROM_ERASE_SECTOR, from, SECTOR_ROWS, err);
    }
    enum base_status status = BASE_OK;
    for (uint32_t at = from; at < from + SECTOR_ROWS && status == BASE_OK; at += SUBSECTOR_ROWS) {
        status = erase_subsector(plan, at, err);
    }
    return status;
}

static enum base_status erase_what_must(struct plan *plan, struct base_err *err)
{
    enum base_status status = BASE_OK;
    plan->told.what = "erase";
    for (uint32_t at = 0; at < plan->rows && status == BASE_OK; at += SECTOR_ROWS) {
        status = erase_sector(plan, at, err);
        if (status == BASE_OK) {
            uint64_t done = plan->told.total * (at + SECTOR_ROWS) / plan->rows;
            status = prg_flash_tell(&plan->told, done, err);
        }
    }
    return status;
}

/* --------------------------------------------------------------------------- program and verify */

static enum base_status program_what_must(struct plan *plan, struct base_err *err)
{
    uint32_t bits[PRG_AGENT_WORDS];

    for (size_t i = 0; i < PRG_AGENT_WORDS; i++) {
        bits[i] = plan->change[i] & ~plan->empty[i];
    }
    const struct prg_agent_job job = { .address = plan->address,
        .rows = plan->rows,
        .bits = bits,
        .row = image_row,
        .user = plan->image,
        .progress = plan->told.tell,
        .progress_user = plan->told.user };
    return prg_agent_program(plan->chip, &job, err);
}

static enum base_status verify_rows(struct plan *plan, struct base_err *err)
{
    enum base_status status = look_at_rows(plan, false, err);
    for (uint32_t row = 0; row < plan->rows && status == BASE_OK; row++) {
        if (prg_agent_bit(plan->holds, row) && !same(plan, row)) {
            return prg_flash_refuse_content(address_of(plan, row), err);
        }
    }
    plan->told.what = "verify";
    return status == BASE_OK ? prg_flash_tell(&plan->told, plan->told.total, err) : status;
}

static enum base_status write_plan(struct plan *plan, struct base_err *err)
{
    enum base_status status = erase_what_must(plan, err);
    if (status == BASE_OK) {
        status = program_what_must(plan, err);
    }
    return status == BASE_OK ? verify_rows(plan, err) : status;
}

static enum base_status carry_out(
    struct plan *plan, bool keep_same, enum prg_psoc6_change *ret_change, struct base_err *err)
{
    uint32_t differs = 0;
    lay_out(plan);
    plan->told.total = (uint64_t)plan->image_rows * ROW;
    enum base_status status =
        prg_agent_blank(plan->chip, plan->address, plan->rows, plan->blank, err);
    if (status == BASE_OK) {
        status = choose(plan, keep_same, err);
    }
    if (status == BASE_OK && nothing_to_change(plan)) {
        /* A CRC can be met on purpose. With nothing to write there is time to look at every byte.
         */
        struct prg_flash_progress quiet = { .what = "compare" };
        status = prg_flash_compare(plan->chip, plan->image, &quiet, &differs, err);
        if (status != BASE_OK || differs == 0) {
            *ret_change = status == BASE_OK ? PRG_PSOC6_UNCHANGED : *ret_change;
            return status;
        }
        change_all(plan);
    }
    if (status == BASE_OK) {
        status = write_plan(plan, err);
    }
    if (status == BASE_OK) {
        *ret_change = PRG_PSOC6_WRITTEN;
    }
    return status;
}

enum base_status prg_flash_program(struct prg_psoc6 *chip, const struct prg_image *image,
    bool keep_same, prg_progress_fn *progress, void *user, enum prg_psoc6_change *ret_change,
    struct base_err *err)
{
    struct plan *plan = calloc(1, sizeof(*plan));
    if (plan == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "chip", 0, "no memory for the rows of an image");
    }
    plan->chip = chip;
    plan->image = image;
    plan->told = (struct prg_flash_progress){ .tell = progress, .user = user };
    enum base_status status = carry_out(plan, keep_same, ret_change, err);
    free(plan);
    return status;
}
