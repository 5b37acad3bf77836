/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CM4's part of the layer demo: runs from flash all the time, is parked while the layer's
 * calls write the vault, and makes calls of its own in between.
 */
#include "device-fw/client/port_cm4.h"
#include "device-fw/layer-demo/report.h"

/* Rounds between two calls. */
#define PAUSE 4096U

int main(void);

static struct svc_message message;

static void ask(struct layer_report *report)
{
    message.version = SVC_VERSION;
    message.operation = SVC_OP_IDENTITY;
    message.length = 0;
    lpac_port_call(&message);
    if (message.status == SVC_OK)
        report->served++;
}

int main(void)
{
    struct layer_report *report = (struct layer_report *)LAYER_REPORT_ADDRESS;

    report->rounds = 0;
    report->served = 0;
    report->mode = LAYER_REPORT_CALLS;
    for (;;) {
        report->rounds++;
        if (report->mode == LAYER_REPORT_DEAF)
            __asm__ volatile("cpsid i");
        else if (report->mode == LAYER_REPORT_CALLS && report->rounds % PAUSE == 0)
            ask(report);
    }
}
