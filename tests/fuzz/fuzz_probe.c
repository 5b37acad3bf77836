/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: requests to the simulated probe. Whatever a host sends, the simulator answers within
 * the packet size and stays alive. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "sim/board.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_board *board = NULL;
    struct sim_board_opts opts = { .probe = { .packet_size = 64 } };
    uint8_t response[SIM_PROBE_MAX_PACKET];
    struct base_cursor cursor;
    if (sim_board_new(&opts, &board, NULL) != BASE_OK) {
        return 0;
    }
    base_cursor_init(&cursor, data, size);
    for (unsigned packets = 0; packets < 32 && base_cursor_left(&cursor) > 0; packets++) {
        size_t wanted = base_cursor_u8(&cursor);
        size_t left = base_cursor_left(&cursor);
        size_t length = wanted < left ? wanted : left;
        const uint8_t *request = base_cursor_take(&cursor, length);
        ssize_t got = sim_board_exec(board, request, length, response, sizeof(response));
        FUZZ_CHECK(got <= 64);
        while (got > 0 && (got = sim_probe_next(board->probe, response, sizeof(response))) > 0) {
            FUZZ_CHECK(got <= 64);
        }
    }
    sim_board_free(board);
    return 0;
}
