/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/app.h"

#include "device-fw/bootloader/ecdsa.h"
#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/application.h"
#include "device-fw/protocol/bytes.h"
#include "device-fw/services/gate.h"

#include <string.h>

#define HASH_CHUNK  64U
#define POWER_TRIES 100000U

struct candidate {
    struct proto_application application;
    struct proto_application_tlv tlv;
    uint8_t digest[PROTO_HASH_SIZE];
};

/* The program's one instance of the gate; the CM4's power tells whether the application runs. */
static struct svc_gate gate;
/* What is being verified lies here, and not on the stack. */
static struct candidate found;
/* Of the image that runs; entry 0: none. */
static struct bl_layer layer;

static void hash_flash(uint32_t length, uint8_t ret_digest[PROTO_HASH_SIZE])
{
    br_sha256_context context;
    uint8_t chunk[HASH_CHUNK];

    br_sha256_init(&context);
    for (uint32_t at = 0; at < length; at += HASH_CHUNK) {
        uint32_t part = length - at < HASH_CHUNK ? length - at : HASH_CHUNK;

        bl_hal_read(PROTO_APPLICATION_ADDRESS + at, chunk, part);
        br_sha256_update(&context, chunk, part);
    }
    br_sha256_out(&context, ret_digest);
}

/* Header, digest over header and program, and the entries behind them. */
static enum proto_status read_candidate(struct candidate *ret_candidate)
{
    uint8_t bytes[PROTO_APPLICATION_TLV_MAX];
    enum proto_status status;
    uint32_t covered;

    bl_hal_read(PROTO_APPLICATION_ADDRESS, bytes, PROTO_APPLICATION_HEADER_USED);
    status = proto_application_decode(bytes, &ret_candidate->application);
    if (status != PROTO_OK)
        return status == PROTO_BAD_VERSION ? PROTO_UNSUPPORTED : status;
    covered = PROTO_APPLICATION_HEADER_SIZE + ret_candidate->application.program_size;
    hash_flash(covered, ret_candidate->digest);
    bl_hal_read(PROTO_APPLICATION_ADDRESS + covered, bytes, sizeof(bytes));
    return proto_application_tlv_decode(bytes, sizeof(bytes), &ret_candidate->tlv);
}

static uint32_t check_unchanged(const struct bl_device *device, const struct candidate *candidate)
{
    const uint8_t *recorded = device->vault.record.application_digest;

    if (bl_hardened_zero(recorded, PROTO_HASH_SIZE) != BL_NO)
        return BL_NO;
    return bl_hardened_equal(recorded, candidate->digest, PROTO_HASH_SIZE);
}

static uint32_t check_floor(const struct bl_device *device, const struct candidate *candidate)
{
    return candidate->application.version >= device->vault.record.application_floor ? BL_YES
                                                                                    : BL_NO;
}

/* The version once more, from flash, against what was read first and against the floor. */
static uint32_t check_again(const struct bl_device *device, const struct candidate *candidate)
{
    uint8_t bytes[PROTO_APPLICATION_HEADER_USED];
    struct proto_application second;

    bl_hal_read(PROTO_APPLICATION_ADDRESS, bytes, sizeof(bytes));
    if (proto_application_decode(bytes, &second) != PROTO_OK ||
        second.version != candidate->application.version ||
        second.program_size != candidate->application.program_size ||
        second.version < device->vault.record.application_floor)
        return BL_NO;
    return BL_YES;
}

static uint32_t check_signature(const struct bl_device *device, const struct candidate *candidate)
{
    if (bl_hardened_equal(candidate->tlv.digest, candidate->digest, PROTO_HASH_SIZE) != BL_YES)
        return BL_NO;
    return bl_ecdsa_verify(device->binding.application_key, candidate->digest,
        candidate->tlv.signature, candidate->tlv.signature_length);
}

/* From now on this image is started by its digest, and nothing older. */
static enum proto_status record_image(struct bl_device *device, const struct candidate *candidate)
{
    struct bl_record *draft = bl_vault_draft(&device->vault, device->chip.id);

    memcpy(draft->application_digest, candidate->digest, PROTO_HASH_SIZE);
    draft->application_floor = candidate->application.version;
    return bl_vault_commit(&device->vault);
}

/* A new image: its signature, then its place in the record. */
static enum proto_status admit(struct bl_device *device, const struct candidate *candidate)
{
    volatile uint32_t decision; /* read anew for each comparison */

    if (check_unchanged(device, candidate) == BL_YES)
        return PROTO_OK;
    if (device->binding.application_key[0] == 0)
        return PROTO_NOT_BOUND;
    decision = check_signature(device, candidate);
    if (decision != BL_YES || decision == BL_NO)
        return PROTO_BAD_MAC;
    return record_image(device, candidate);
}

/* The CM4's core takes its first two words from its vector table. */
static enum proto_status power_up(void)
{
    bl_hal_write32(
        BL_CPUSS_CM4_VECTOR_BASE, PROTO_APPLICATION_ADDRESS + PROTO_APPLICATION_HEADER_SIZE);
    bl_hal_write32(BL_CPUSS_CM4_PWR_CTL, BL_CPUSS_CM4_PWR_ON);
    for (uint32_t i = 0; i < POWER_TRIES; i++) {
        if ((bl_hal_read32(BL_CPUSS_CM4_STATUS) & BL_CPUSS_CM4_STATUS_DONE) != 0)
            return PROTO_OK;
    }
    bl_hal_write32(BL_CPUSS_CM4_PWR_CTL, BL_CPUSS_CM4_PWR_OFF);
    return PROTO_WRONG_STATE;
}

static bool is_running(void)
{
    return (bl_hal_read32(BL_CPUSS_CM4_PWR_CTL) & BL_CPUSS_CM4_PWR_MODE) ==
           (BL_CPUSS_CM4_PWR_ON & BL_CPUSS_CM4_PWR_MODE);
}

enum proto_status bl_app_start(struct bl_device *device)
{
    enum proto_status status;

    if (is_running())
        return PROTO_ALREADY;
    status = read_candidate(&found);
    if (status == PROTO_OK && check_floor(device, &found) != BL_YES)
        status = PROTO_BAD_VERSION;
    if (status == PROTO_OK && check_again(device, &found) != BL_YES)
        status = PROTO_BAD_VERSION;
    if (status == PROTO_OK)
        status = admit(device, &found);
    bl_hal_clear_stack();
    /* What starts is what the record names, however this point was reached. */
    if (status == PROTO_OK &&
        (check_unchanged(device, &found) != BL_YES || check_floor(device, &found) != BL_YES))
        status = PROTO_BAD_MAC;
    if (status == PROTO_OK)
        status = bl_layer_find(found.application.program_size, &layer);
    if (status != PROTO_OK)
        return status;
    svc_gate_start(&gate, device);
    return power_up();
}

bool bl_app_poll(struct bl_device *device)
{
    (void)device;
    return svc_gate_poll(&gate);
}

const struct bl_layer *bl_app_layer(void)
{
    return layer.entry == 0 ? NULL : &layer;
}

void bl_app_call(uint32_t address)
{
    (void)svc_gate_serve(&gate, SVC_CALLER_LAYER, address);
}

void bl_app_wipe(void)
{
    bl_wipe(&gate, sizeof(gate));
}
