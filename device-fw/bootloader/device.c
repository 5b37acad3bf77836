/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/device.h"

#include "device-fw/bootloader/envelope.h"
#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/identity.h"
#include "device-fw/bootloader/join.h"
#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/bytes.h"
#include "device-fw/protocol/messages.h"

#include <string.h>

#define HASH_CHUNK 256U

/* SHA-256 over @p length bytes of chip memory. */
static void hash_memory(uint32_t address, uint32_t length, uint8_t ret_hash[PROTO_HASH_SIZE])
{
    br_sha256_context context;
    uint8_t chunk[HASH_CHUNK];

    br_sha256_init(&context);
    while (length > 0) {
        uint32_t part = length < HASH_CHUNK ? length : HASH_CHUNK;

        bl_hal_read(address, chunk, part);
        br_sha256_update(&context, chunk, part);
        address += part;
        length -= part;
    }
    br_sha256_out(&context, ret_hash);
}

/* The object size is the first word of the application header. */
static void hash_image(struct bl_device *device)
{
    uint32_t size = bl_hal_read32(PROTO_IMAGE_ADDRESS);

    if (size <= PROTO_IMAGE_MAX_SIZE)
        hash_memory(PROTO_IMAGE_ADDRESS, size, device->image_hash);
}

/* A block whose hash is wrong counts as absent: an image fresh from the compiler, or a damaged one.
 */
static void read_binding(struct bl_device *device)
{
    const uint32_t address = PROTO_IMAGE_ADDRESS + PROTO_BINDING_OFFSET;
    uint8_t *block = device->vault.rows; /* free until the vault loads */
    uint8_t hash[PROTO_HASH_SIZE];

    _Static_assert(sizeof(device->vault.rows) == PROTO_BINDING_SIZE, "binding block fits");
    bl_hal_read(address, block, PROTO_BINDING_SIZE);
    bl_sha256(block, PROTO_BINDING_HASH_AT, hash);
    if (!proto_equal(hash, block + PROTO_BINDING_HASH_AT, sizeof(hash)) ||
        proto_binding_decode(block, &device->binding) != PROTO_OK)
        return;
    for (unsigned i = 0; i < 2; i++) {
        if (device->binding.authority_key[i][0] == 0)
            continue;
        bl_sha256(device->binding.authority_key[i], PROTO_PUBLIC_KEY_SIZE, hash);
        memcpy(device->authority_key_id[i], hash, PROTO_KEY_ID_SIZE);
        device->bound = true;
    }
    if (!device->bound)
        bl_wipe(&device->binding, sizeof(device->binding));
}

void bl_device_start(struct bl_device *ret_device, bool is_protected)
{
    bl_wipe(ret_device, sizeof(*ret_device));
    ret_device->is_protected = is_protected;
    bl_chip_read(&ret_device->chip);
    read_binding(ret_device);
    hash_image(ret_device);
    (void)bl_vault_load(&ret_device->vault, ret_device->chip.id);
    ret_device->dev_nonce_next = ret_device->vault.record.dev_nonce_limit;
    (void)bl_random_start(&ret_device->random, ret_device->chip.id);
}

static bool is_lab(const struct bl_device *device)
{
    return (device->binding.flags & PROTO_FLAG_LAB) != 0;
}

/* What stands in the way of anything that has to do with keys. */
static enum proto_status check_ready(const struct bl_device *device)
{
    if (device->vault.status != PROTO_OK)
        return device->vault.status;
    if (!device->bound)
        return PROTO_NOT_BOUND;
    if (device->binding.minimum_bootloader > BL_VERSION ||
        device->binding.minimum_protocol > PROTO_VERSION)
        return PROTO_BAD_VERSION;
    if (!device->is_protected || (!is_lab(device) && !bl_chip_is_restricted(&device->chip)))
        return PROTO_NOT_RESTRICTED;
    return PROTO_OK;
}

enum proto_status bl_device_health(const struct bl_device *device)
{
    enum proto_status status = check_ready(device);

    if (status != PROTO_OK)
        return status;
    return device->random.good ? PROTO_OK : PROTO_TRNG_FAILED;
}

static uint8_t vault_state(const struct bl_device *device)
{
    return device->vault.present ? device->vault.record.state : (uint8_t)PROTO_VAULT_EMPTY;
}

static void do_hello(const struct bl_device *device, struct bl_answer *answer)
{
    struct proto_hello hello;

    hello.flags = (uint8_t)(device->binding.flags | (device->bound ? PROTO_FLAG_BOUND : 0U));
    hello.lifecycle = device->chip.lifecycle;
    memcpy(hello.restrictions, device->chip.restrictions, sizeof(hello.restrictions));
    hello.vault_state = vault_state(device);
    memcpy(hello.chip_id, device->chip.id, sizeof(hello.chip_id));
    hello.silicon_id = device->chip.silicon_id;
    hello.bootloader_version = BL_VERSION;
    memcpy(hello.bootloader_hash, device->image_hash, sizeof(hello.bootloader_hash));
    memcpy(hello.authority_key_id, device->authority_key_id, sizeof(hello.authority_key_id));
    hello.key_version = device->vault.record.key_version;
    hello.health = bl_device_health(device);
    proto_hello_encode(&hello, answer->payload);
    answer->length = PROTO_HELLO_SIZE;
}

/* Commands that need keys, after check_ready(). */
static enum proto_status execute_with_keys(struct bl_device *device, uint32_t command,
    const uint8_t *payload, size_t length, struct bl_answer *answer)
{
    switch (command) {
    case PROTO_CMD_STATEMENT:
        return bl_identity_statement(device, payload, length, answer);
    case PROTO_CMD_INSTALL:
    case PROTO_CMD_ZEROISE:
        return bl_envelope_install(device, command, payload, length, answer);
    case PROTO_CMD_RECEIPT:
        return bl_envelope_receipt(device, answer);
    case PROTO_CMD_SELF_TEST:
        return bl_join_request(device, answer);
    case PROTO_CMD_LOCK:
        /* Locking is not in this image; but never without a record, in any image. */
        return vault_state(device) == PROTO_VAULT_COMMITTED ? PROTO_UNSUPPORTED : PROTO_NO_RECORD;
    default:
        return PROTO_BAD_COMMAND;
    }
}

static bool takes_payload(uint32_t command)
{
    return command == PROTO_CMD_STATEMENT || command == PROTO_CMD_INSTALL ||
           command == PROTO_CMD_ZEROISE;
}

enum proto_status bl_device_execute(struct bl_device *device, uint32_t command,
    const uint8_t *payload, size_t length, struct bl_answer *ret_answer)
{
    enum proto_status status;

    ret_answer->length = 0;
    if (command < PROTO_CMD_HELLO || command > PROTO_CMD_SELF_TEST)
        return PROTO_BAD_COMMAND;
    if (length != 0 && !takes_payload(command))
        return PROTO_BAD_LENGTH;
    if (command == PROTO_CMD_HELLO) {
        do_hello(device, ret_answer);
        return PROTO_OK;
    }
    if (command == PROTO_CMD_RESET) {
        device->reset_wanted = true;
        return PROTO_OK;
    }
    /* No application image is verified by this image, so that none is ever started. */
    if (command == PROTO_CMD_RUN)
        return PROTO_UNSUPPORTED;
    status = check_ready(device);
    if (status == PROTO_OK)
        status = execute_with_keys(device, command, payload, length, ret_answer);
    if (status != PROTO_OK && status != PROTO_ALREADY)
        ret_answer->length = 0;
    return status;
}
