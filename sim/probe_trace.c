/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/probe_internal.h"

#include <inttypes.h>

/* Longer packets are cut: the trace is for people. */
#define TRACE_BYTES 64U

static const char *command_name(uint8_t id)
{
    static const struct {
        uint8_t id;
        const char *name;
    } names[] = {
        { DAP_INFO, "Info" },
        { DAP_HOST_STATUS, "HostStatus" },
        { DAP_CONNECT, "Connect" },
        { DAP_DISCONNECT, "Disconnect" },
        { DAP_TRANSFER_CONFIGURE, "TransferConfigure" },
        { DAP_TRANSFER, "Transfer" },
        { DAP_TRANSFER_BLOCK, "TransferBlock" },
        { DAP_TRANSFER_ABORT, "TransferAbort" },
        { DAP_WRITE_ABORT, "WriteABORT" },
        { DAP_DELAY, "Delay" },
        { DAP_RESET_TARGET, "ResetTarget" },
        { DAP_SWJ_PINS, "SWJ_Pins" },
        { DAP_SWJ_CLOCK, "SWJ_Clock" },
        { DAP_SWJ_SEQUENCE, "SWJ_Sequence" },
        { DAP_SWD_CONFIGURE, "SWD_Configure" },
        { DAP_SWD_SEQUENCE, "SWD_Sequence" },
        { DAP_QUEUE_COMMANDS, "QueueCommands" },
        { DAP_EXECUTE_COMMANDS, "ExecuteCommands" },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].id == id) {
            return names[i].name;
        }
    }
    return "unknown";
}

static void print_bytes(FILE *out, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length && i < TRACE_BYTES; i++) {
        (void)fprintf(out, " %02x", data[i]);
    }
    if (length > TRACE_BYTES) {
        (void)fprintf(out, " ... %zu bytes", length);
    }
}

void probe_trace(const struct sim_probe *probe, const uint8_t *request, size_t request_length,
    const uint8_t *response, ssize_t response_length)
{
    if (probe->trace == NULL) {
        return;
    }
    (void)fprintf(probe->trace, "%12" PRIu64 " us  %s >", probe->swd.time_ps / SIM_PS_PER_US,
        request_length > 0 ? command_name(request[0]) : "empty");
    print_bytes(probe->trace, request, request_length);
    (void)fputs(" <", probe->trace);
    if (response_length > 0) {
        print_bytes(probe->trace, response, (size_t)response_length);
    } else {
        (void)fputs(response_length < 0 ? " connection cut" : " no response", probe->trace);
    }
    (void)fputc('\n', probe->trace);
}
