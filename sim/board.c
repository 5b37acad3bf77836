/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/board.h"

#include "base/hex.h"

#include <stdlib.h>

/* TARGETID, ADIv5.2 §B2.2.10: revision, part number = silicon id, designer Cypress (0x034). */
#define TARGETID_REVISION   UINT32_C(0x20000000)
#define TARGETID_PART_SHIFT 12
#define TARGETID_DESIGNER   UINT32_C(0x00000069)
#define DEFAULT_SILICON_ID  0xE207U

static enum base_status no_memory(struct base_err *err)
{
    return base_err_set(err, BASE_E_NOMEM, "sim", 0, "no memory for a simulated board");
}

enum base_status sim_board_new(
    const struct sim_board_opts *opts, struct sim_board **ret_board, struct base_err *err)
{
    struct sim_board *board = calloc(1, sizeof(*board));
    if (board == NULL) {
        return no_memory(err);
    }
    board->restore_us = opts->restore_us;
    enum base_status status = sim_chip_new(&opts->chip, &board->chip, err);
    if (status == BASE_OK) {
        struct sim_probe_opts probe = opts->probe;
        char serial[2 * sizeof(opts->chip.unique_id) + 1];
        base_hex_encode(opts->chip.unique_id, sizeof(opts->chip.unique_id), serial);
        if (probe.serial == NULL) {
            probe.serial = serial;
        }
        if (probe.target_id == 0) {
            uint32_t part = opts->chip.silicon_id != 0 ? opts->chip.silicon_id : DEFAULT_SILICON_ID;
            probe.target_id = TARGETID_REVISION | part << TARGETID_PART_SHIFT | TARGETID_DESIGNER;
        }
        status = sim_probe_new(board->chip, &probe, &board->probe, err);
    }
    if (status != BASE_OK) {
        sim_board_free(board);
        return status;
    }
    *ret_board = board;
    return BASE_OK;
}

void sim_board_free(struct sim_board *board)
{
    if (board != NULL) {
        sim_probe_free(board->probe);
        sim_chip_free(board->chip);
        free(board);
    }
}

enum base_status sim_board_fork(
    const struct sim_board *board, struct sim_board **ret_copy, struct base_err *err)
{
    struct sim_board *copy = malloc(sizeof(*copy));
    if (copy == NULL) {
        return no_memory(err);
    }
    *copy = *board;
    copy->chip = NULL;
    copy->probe = NULL;
    copy->watch = NULL;
    enum base_status status = sim_chip_fork(board->chip, &copy->chip, err);
    if (status == BASE_OK) {
        status = sim_probe_fork(board->probe, copy->chip, &copy->probe, err);
    }
    if (status != BASE_OK) {
        sim_board_free(copy);
        return status;
    }
    *ret_copy = copy;
    return BASE_OK;
}

static void watch_supply(struct sim_board *board)
{
    if (sim_chip_powered(board->chip)) {
        board->off = false;
        return;
    }
    struct sim_probe_stats stats;
    sim_probe_get_stats(board->probe, &stats);
    if (!board->off) {
        board->off = true;
        board->power_cuts++;
        board->off_since_ps = stats.virtual_time_ps;
        sim_probe_target_lost(board->probe);
    } else if (board->restore_us > 0 && !sim_probe_keeps_off(board->probe) &&
               stats.virtual_time_ps - board->off_since_ps >= board->restore_us * SIM_PS_PER_US) {
        board->off = false;
        sim_probe_settle(board->probe);
        sim_chip_set_power(board->chip, true);
        sim_probe_target_lost(board->probe);
    }
}

ssize_t sim_board_exec(struct sim_board *board, const uint8_t *request, size_t length,
    uint8_t *response, size_t capacity)
{
    ssize_t result = sim_probe_exec(board->probe, request, length, response, capacity);
    watch_supply(board);
    if (board->watch != NULL) {
        board->watch(board->watch_user);
    }
    return result;
}

void sim_board_settle(struct sim_board *board)
{
    sim_probe_settle(board->probe);
    watch_supply(board);
}
