/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/client/port_cm4.h"

#include <stddef.h>

/* IPC structures of the BLE-2 die: a read of ACQUIRE takes the lock. */
#define IPC(channel)    ((struct ipc *)(0x40230000U + 0x20U * (channel)))
#define INTR(number)    ((struct intr *)(0x40231000U + 0x20U * (number)))
#define IPC_SUCCESS     0x80000000U
#define NOTIFY(channel) (0x00010000U << (channel))

struct ipc {
    volatile uint32_t acquire;
    volatile uint32_t release;
    volatile uint32_t notify;
    volatile uint32_t data;
    volatile uint32_t lock_status;
};

struct intr {
    volatile uint32_t intr;
    volatile uint32_t set;
    volatile uint32_t mask;
    volatile uint32_t masked;
};

/* In SRAM, with its constants, and calls nobody: while it runs, flash may be written. The caller's
 * interrupts are off, because their vectors and handlers may lie in flash. */
LPAC_IN_SRAM static void wait_in_sram(struct ipc *ipc, uint32_t address)
{
    while ((ipc->acquire & IPC_SUCCESS) == 0) {
    }
    ipc->data = address;
    ipc->notify = 1U << SVC_INTR;
    while ((ipc->lock_status & IPC_SUCCESS) != 0) {
    }
}

void lpac_port_call(struct svc_message *message)
{
    uint32_t primask;

    message->flags = SVC_FLAG_PARKED;
    message->status = 0;
    __asm__ volatile("mrs %0, primask\n cpsid i" : "=r"(primask)::"memory");
    wait_in_sram(IPC(SVC_CHANNEL), (uint32_t)(uintptr_t)message);
    __asm__ volatile("msr primask, %0" ::"r"(primask) : "memory");
    /* The gate writes nothing where no message may lie. */
    if (message->status == 0)
        message->status = SVC_BAD_MESSAGE;
}

void lpac_port_listen(void)
{
    INTR(SVC_PARK_INTR)->mask = NOTIFY(SVC_PARK_CHANNEL);
}

LPAC_IN_SRAM void lpac_port_park(void)
{
    struct ipc *ipc = IPC(SVC_PARK_CHANNEL);

    INTR(SVC_PARK_INTR)->intr = NOTIFY(SVC_PARK_CHANNEL);
    if (ipc->data != SVC_PARK_WANTED)
        return;
    ipc->data = SVC_PARK_DONE;
    while ((ipc->lock_status & IPC_SUCCESS) != 0) {
    }
}
