/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SERVER_INTERNAL_H
#define SIM_SERVER_INTERNAL_H

/** @file Between the server's loop (server.c) and its listening socket (server_listen.c). */

#include "sim/server.h"

/** Make the listening socket; the caller closes it. */
BASE_MUST_CHECK
enum base_status server_listen(
    const char *address, int *ret_fd, uint16_t *ret_port, struct base_err *err);

#endif
