/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the gate of the key services, host build. A caller that writes anything at all into
 * its message, and names any address: every message that may lie there gets an answer of the list,
 * and nothing beside it is written. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "device-fw/services/gate.h"
#include "tests/unit/device-fw/desk_services.h"

#define FRAMES_MAX 12
#define PLACE      64U
#define FILL       0xD7

static struct svc_message *message(void)
{
    return (struct svc_message *)(void *)(chip.shared + PLACE);
}

/* What lies around the message, untouched. Compared by memcmp: a loop here would be traced byte by
 * byte and cost ten times what the gate does. */
static uint8_t around[sizeof(chip.shared)];

static void check_answer(void)
{
    const size_t end = PLACE + sizeof(struct svc_message);
    uint32_t status = message()->status;

    FUZZ_CHECK(
        (status >= SVC_OK && status <= SVC_FLASH_FAILED) || (status & ~0xFFU) == SVC_STATUS_DEVICE);
    FUZZ_CHECK(message()->length <= SVC_PAYLOAD_MAX);
    FUZZ_CHECK(message()->length == 0 || status == SVC_OK ||
               status == (SVC_STATUS_DEVICE | PROTO_OK) ||
               status == (SVC_STATUS_DEVICE | PROTO_ALREADY));
    FUZZ_CHECK(memcmp(chip.shared, around, PLACE) == 0);
    FUZZ_CHECK(memcmp(chip.shared + end, around + end, sizeof(around) - end) == 0);
}

/* One frame of the input: flags, operation, length, payload. Flag 1 takes the header's words from
 * the payload instead, flag 2 another address. */
static void call(struct svc_gate *gate, struct base_cursor *cursor)
{
    uint8_t flags = base_cursor_u8(cursor);
    uint32_t operation = base_cursor_u8(cursor);
    uint32_t length = base_cursor_le16(cursor) % (SVC_PAYLOAD_MAX + 1);
    const uint8_t *bytes = base_cursor_take(cursor, length);
    uint32_t address = CHIP_SHARED + PLACE;

    *message() = (struct svc_message){ SVC_VERSION, operation, SVC_FLAG_PARKED, length, 0, { 0 } };
    if (bytes != NULL)
        memcpy(message()->payload, bytes, length);
    if (bytes != NULL && (flags & 1) != 0 && length >= 20)
        memcpy(message(), bytes, 20);
    if (bytes != NULL && (flags & 2) != 0 && length >= 4)
        address = base_get_le32(bytes);
    if (address >= CHIP_SHARED && address < CHIP_SHARED + sizeof(chip.shared))
        address = CHIP_SHARED + PLACE;
    else if (address < SVC_SHARED_END && address >= SVC_SHARED_BASE)
        return; /* the model has no memory there */
    if (svc_gate_serve(gate, SVC_CALLER_CM4, address))
        check_answer();
    else
        FUZZ_CHECK(address < SVC_SHARED_BASE || address >= SVC_SHARED_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct desk fresh_desk; /* libFuzzer offers no other place */
    static struct chip fresh_chip;
    static struct svc_gate fresh_gate;
    static bool ready;
    static struct desk desk;
    static struct svc_gate gate;
    struct base_cursor cursor;

    if (!ready) {
        desk_new(&fresh_desk, PROTO_LORAWAN_1_1);
        desk_join(&fresh_desk, 0x80);
        memset(around, FILL, sizeof(around));
        memcpy(chip.shared, around, sizeof(around));
        desk = fresh_desk;
        svc_gate_start(&fresh_gate, &desk.device);
        fresh_chip = chip;
        ready = true;
    }
    desk = fresh_desk;
    gate = fresh_gate;
    /* All but the image, which nothing writes. */
    memcpy((uint8_t *)&chip + offsetof(struct chip, home),
        (const uint8_t *)&fresh_chip + offsetof(struct chip, home),
        sizeof(chip) - offsetof(struct chip, home));
    base_cursor_init(&cursor, data, size);
    for (unsigned i = 0; i < FRAMES_MAX && base_cursor_left(&cursor) > 0; i++)
        call(&gate, &cursor);
    return 0;
}
