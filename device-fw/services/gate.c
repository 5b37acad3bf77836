/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/services/gate.h"

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/bootloader/wipe.h"

#include <stddef.h>

/* LOCK_STATUS names the owner's bus master and context. */
#define OWNER_MASTER(status)  ((status) >> 8 & 0xFU)
#define OWNER_CONTEXT(status) ((status) >> 4 & 0xFU)
#define CM4_CONTEXT           4U

#define HEADER_WORDS (offsetof(struct svc_message, payload) / 4U)
#define LENGTH_AT    ((uint32_t)offsetof(struct svc_message, length))
#define STATUS_AT    ((uint32_t)offsetof(struct svc_message, status))
#define PAYLOAD_AT   ((uint32_t)offsetof(struct svc_message, payload))

/* The CM4's handler needs a few dozen cycles, and one poll here at least eight. */
#define PARK_TRIES 20000U

enum header {
    HEADER_VERSION,
    HEADER_OPERATION,
    HEADER_FLAGS,
    HEADER_LENGTH,
};

static void release(uint32_t channel)
{
    bl_hal_write32(BL_IPC_RELEASE(channel), 0);
}

void svc_gate_start(struct svc_gate *gate, struct bl_device *device)
{
    bl_wipe(gate, sizeof(*gate));
    release(SVC_CHANNEL);
    release(SVC_PARK_CHANNEL);
    bl_hal_write32(BL_IPC_INTR(SVC_INTR), UINT32_MAX);
    svc_start(&gate->svc, device);
}

/* ---- no flash access of the CM4 while the vault is written ---- */

static bool is_cm4_on(void)
{
    return (bl_hal_read32(BL_CPUSS_CM4_PWR_CTL) & BL_CPUSS_CM4_PWR_MODE) != 0;
}

/* Ask the CM4, which is not the caller, to wait in SRAM. */
static bool park(void)
{
    if ((bl_hal_read32(BL_IPC_ACQUIRE(SVC_PARK_CHANNEL)) & BL_IPC_ACQUIRED) == 0)
        return false;
    bl_hal_write32(BL_IPC_DATA(SVC_PARK_CHANNEL), SVC_PARK_WANTED);
    bl_hal_write32(BL_IPC_NOTIFY(SVC_PARK_CHANNEL), 1U << SVC_PARK_INTR);
    for (uint32_t i = 0; i < PARK_TRIES; i++) {
        if (bl_hal_read32(BL_IPC_DATA(SVC_PARK_CHANNEL)) == SVC_PARK_DONE)
            return true;
    }
    release(SVC_PARK_CHANNEL);
    return false;
}

/* ---- one message ---- */

static uint32_t work(struct svc_gate *gate, const uint32_t header[HEADER_WORDS])
{
    gate->answer.length = 0;
    if (header[HEADER_VERSION] != SVC_VERSION || (header[HEADER_FLAGS] & ~SVC_FLAG_PARKED) != 0 ||
        header[HEADER_LENGTH] > SVC_PAYLOAD_MAX)
        return SVC_BAD_MESSAGE;
    return svc_execute(
        &gate->svc, header[HEADER_OPERATION], gate->request, header[HEADER_LENGTH], &gate->answer);
}

static uint32_t work_undisturbed(
    struct svc_gate *gate, enum svc_caller caller, const uint32_t header[HEADER_WORDS])
{
    bool must_park = svc_may_write(header[HEADER_OPERATION]) && is_cm4_on();
    uint32_t status;

    if (!must_park)
        return work(gate, header);
    gate->answer.length = 0;
    if (caller == SVC_CALLER_CM4)
        return (header[HEADER_FLAGS] & SVC_FLAG_PARKED) != 0 ? work(gate, header)
                                                             : (uint32_t)SVC_NOT_PARKED;
    if (!park())
        return SVC_NOT_PARKED;
    status = work(gate, header);
    release(SVC_PARK_CHANNEL);
    return status;
}

/* Each word once. */
static void copy_in(struct svc_gate *gate, uint32_t address, uint32_t header[HEADER_WORDS])
{
    for (uint32_t i = 0; i < HEADER_WORDS; i++)
        header[i] = bl_hal_read32(address + 4U * i);
    for (uint32_t at = 0; header[HEADER_LENGTH] <= SVC_PAYLOAD_MAX && at < header[HEADER_LENGTH];
         at += 4) {
        uint32_t word = bl_hal_read32(address + PAYLOAD_AT + at);

        for (uint32_t i = 0; i < 4; i++)
            gate->request[at + i] = (uint8_t)(word >> 8U * i);
    }
}

static void copy_out(const struct svc_answer *answer, uint32_t address, uint32_t status)
{
    for (uint32_t at = 0; at < answer->length; at += 4) {
        uint32_t word = 0;

        for (uint32_t i = 0; i < 4 && at + i < answer->length; i++)
            word |= (uint32_t)answer->payload[at + i] << 8U * i;
        bl_hal_write32(address + PAYLOAD_AT + at, word);
    }
    bl_hal_write32(address + LENGTH_AT, (uint32_t)answer->length);
    bl_hal_write32(address + STATUS_AT, status);
}

static bool may_lie_at(enum svc_caller caller, uint32_t address)
{
    uint32_t base = caller == SVC_CALLER_CM4 ? SVC_SHARED_BASE : SVC_LAYER_BASE;
    uint32_t end = caller == SVC_CALLER_CM4 ? SVC_SHARED_END : SVC_LAYER_END;

    return (address & 3U) == 0 && address >= base && address < end &&
           end - address >= sizeof(struct svc_message);
}

bool svc_gate_serve(struct svc_gate *gate, enum svc_caller caller, uint32_t address)
{
    uint32_t header[HEADER_WORDS];
    uint32_t status;

    if (!may_lie_at(caller, address))
        return false;
    copy_in(gate, address, header);
    status = work_undisturbed(gate, caller, header);
    /* The cryptography's own frames held secrets. */
    bl_hal_clear_stack();
    copy_out(&gate->answer, address, status);
    bl_wipe(&gate->answer, sizeof(gate->answer));
    bl_wipe(gate->request, sizeof(gate->request));
    return true;
}

bool svc_gate_poll(struct svc_gate *gate)
{
    const uint32_t event = BL_IPC_INTR_NOTIFY(SVC_CHANNEL);
    uint32_t owner;

    if ((bl_hal_read32(BL_IPC_INTR(SVC_INTR)) & event) == 0)
        return false;
    bl_hal_write32(BL_IPC_INTR(SVC_INTR), event);
    owner = bl_hal_read32(BL_IPC_LOCK_STATUS(SVC_CHANNEL));
    if ((owner & BL_IPC_ACQUIRED) == 0)
        return true; /* a notification of nobody */
    /* The debug port, and whoever else may take the channel, is no caller. */
    if (OWNER_MASTER(owner) == BL_PROT_MASTER_CM4 && OWNER_CONTEXT(owner) == CM4_CONTEXT)
        (void)svc_gate_serve(gate, SVC_CALLER_CM4, bl_hal_read32(BL_IPC_DATA(SVC_CHANNEL)));
    release(SVC_CHANNEL);
    return true;
}
