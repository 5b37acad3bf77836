/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROGRAMMER_SCRIPT_H
#define TESTS_UNIT_PROGRAMMER_SCRIPT_H

/** @file A probe that expects exact requests and gives exact answers. */

#include "programmer/link.h"

/** One exchange in hex; answer "" = silence. */
struct script_step {
    const char *request;
    const char *answer;
};

struct script {
    const struct script_step *steps;
    size_t count;
    size_t at;
};

/** prg_exchange_fn; user is a struct script. Fails the test on another request. */
void script_exchange(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length);

/** What every prg_link_open_wire() at 1 MHz asks of a probe with 64-byte packets, 4 of them. */
#define SCRIPT_OPEN                                                                                \
    { "00fe", "000104" }, { "00ff", "00024000" }, { "00f0", "000101" },                            \
        { "0004", "0006322e312e3100" }, { "0009", "000431202000" }, { "0003", "000353410a" },      \
        { "0001", "0000" },                                                                        \
    {                                                                                              \
        "0002", "0000"                                                                             \
    }

#endif
