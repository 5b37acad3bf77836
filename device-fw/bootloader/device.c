/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/device.h"

#include "device-fw/bootloader/app.h"
#include "device-fw/bootloader/envelope.h"
#include "device-fw/bootloader/forget.h"
#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/identity.h"
#include "device-fw/bootloader/join.h"
#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/lock.h"
#include "device-fw/bootloader/protect.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/bytes.h"
#include "device-fw/protocol/image.h"
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

/* The object size is the first word of the application header; a signature behind it counts too, so
 * that the digest is that of the whole file. */
static void hash_image(struct bl_device *device)
{
    uint32_t size = bl_hal_read32(PROTO_IMAGE_ADDRESS);
    uint32_t attributes = bl_hal_read32(PROTO_IMAGE_ADDRESS + PROTO_IMAGE_ATTRIBUTES_AT);

    if (size > PROTO_IMAGE_MAX_SIZE)
        return;
    if ((attributes & PROTO_IMAGE_SIGNED) != 0)
        size += PROTO_IMAGE_SIGNATURE_SIZE;
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

static bool is_lab(const struct bl_device *device)
{
    return (device->binding.flags & PROTO_FLAG_LAB) != 0;
}

/* What stands in the way of anything that has to do with keys. */
static enum proto_status check_ready(const struct bl_device *device)
{
    if (device->vault.status != PROTO_OK)
        return device->vault.status;
    if (device->vault.record.state == PROTO_VAULT_FORGOTTEN)
        return PROTO_FORGOTTEN;
    if (!device->bound)
        return PROTO_NOT_BOUND;
    if (device->binding.minimum_bootloader > BL_VERSION ||
        device->binding.minimum_protocol > PROTO_VERSION ||
        device->vault.record.bootloader_floor > BL_VERSION)
        return PROTO_BAD_VERSION;
    if (!device->is_protected || (!is_lab(device) && !bl_chip_is_restricted(&device->chip)))
        return PROTO_NOT_RESTRICTED;
    return PROTO_OK;
}

/* The least bootloader that this image demands becomes the record's: from then on an older image
 * that demands less is refused. A device without record takes it when it makes one. */
static void raise_floor(struct bl_device *device)
{
    struct bl_record *draft;

    if (!device->vault.present || check_ready(device) != PROTO_OK ||
        device->binding.minimum_bootloader <= device->vault.record.bootloader_floor)
        return;
    draft = bl_vault_draft(&device->vault, device->chip.id);
    draft->bootloader_floor = device->binding.minimum_bootloader;
    (void)bl_vault_commit(&device->vault);
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
    raise_floor(ret_device);
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

bool bl_device_is_committed(const struct bl_device *device)
{
    uint8_t state = vault_state(device);

    return state == PROTO_VAULT_COMMITTED || state == PROTO_VAULT_LOCKED ||
           state == PROTO_VAULT_ZEROISED;
}

bool bl_device_may_open(const struct bl_device *device)
{
    switch (device->chip.lifecycle) {
    case PROTO_LIFECYCLE_NORMAL:
    case PROTO_LIFECYCLE_SECURE_WITH_DEBUG:
        return !bl_lock_is_set(device);
    case PROTO_LIFECYCLE_SECURE:
        return !bl_lock_is_set(device) && device->is_protected &&
               (is_lab(device) || bl_chip_is_restricted(&device->chip));
    default:
        return false;
    }
}

/* The lab flag as it stands in flash; the block's hash was checked at the start. */
static bool is_lab_in_flash(void)
{
    uint8_t flags = 0;

    bl_hal_read(
        PROTO_IMAGE_ADDRESS + PROTO_BINDING_OFFSET + PROTO_BINDING_FLAGS_AT, &flags, sizeof(flags));
    return (flags & PROTO_FLAG_LAB) != 0;
}

uint32_t bl_device_confirm_open(void)
{
    struct bl_chip chip;

    bl_chip_read(&chip);
    if (bl_vault_shows_lock() != BL_NO || chip.lifecycle != PROTO_LIFECYCLE_SECURE)
        return BL_NO;
    if (!is_lab_in_flash() && !bl_chip_is_restricted(&chip))
        return BL_NO;
    return bl_protect_holds() ? BL_YES : BL_NO;
}

/* What was written before something failed is no answer. */
static enum proto_status conclude(enum proto_status status, struct bl_answer *answer)
{
    if (status != PROTO_OK && status != PROTO_ALREADY)
        answer->length = 0;
    return status;
}

enum proto_status bl_device_envelope(
    struct bl_device *device, const uint8_t *bytes, size_t length, struct bl_answer *ret_answer)
{
    enum proto_status status = check_ready(device);

    ret_answer->length = 0;
    if (status == PROTO_OK)
        status = bl_envelope_install(device, bytes, length, ret_answer);
    return conclude(status, ret_answer);
}

enum proto_status bl_device_statement(
    struct bl_device *device, const uint8_t *key_id, size_t length, struct bl_answer *ret_answer)
{
    enum proto_status status = check_ready(device);

    ret_answer->length = 0;
    if (status == PROTO_OK)
        status = bl_identity_statement(device, key_id, length, ret_answer);
    return conclude(status, ret_answer);
}

enum proto_status bl_device_receipt(struct bl_device *device, struct bl_answer *ret_answer)
{
    enum proto_status status = check_ready(device);

    ret_answer->length = 0;
    if (status == PROTO_OK)
        status = bl_envelope_receipt(device, ret_answer);
    return conclude(status, ret_answer);
}

enum proto_status bl_device_run(struct bl_device *device)
{
    enum proto_status status = check_ready(device);

    if (status != PROTO_OK)
        return status;
    return bl_device_is_committed(device) ? bl_app_start(device) : PROTO_NO_RECORD;
}

static enum proto_status do_run(struct bl_device *device)
{
    enum proto_status status = bl_device_run(device);

    device->run_wanted = status == PROTO_OK || status == PROTO_ALREADY;
    return status;
}

/* The command says what its envelope is for, so that a station cannot zeroise by mistake. */
static enum proto_status do_envelope(struct bl_device *device, uint32_t command,
    const uint8_t *payload, size_t length, struct bl_answer *answer)
{
    struct proto_envelope envelope;
    enum proto_status status = proto_envelope_decode(payload, length, &envelope);

    if (status != PROTO_OK)
        return status;
    if ((command == PROTO_CMD_ZEROISE) != (envelope.header.purpose == PROTO_PURPOSE_ZEROISE))
        return PROTO_BAD_PURPOSE;
    return bl_device_envelope(device, payload, length, answer);
}

/* Commands that need keys. A locked device has no mailbox after the next reset, and until then
 * nothing but its lock answer. */
static enum proto_status execute_with_keys(struct bl_device *device, uint32_t command,
    const uint8_t *payload, size_t length, struct bl_answer *answer)
{
    enum proto_status status = check_ready(device);

    if (status != PROTO_OK)
        return status;
    if (command == PROTO_CMD_LOCK)
        return bl_lock(device, command, answer);
    if (bl_lock_is_set(device))
        return PROTO_WRONG_STATE;
    if (command == PROTO_CMD_FORGET)
        return bl_forget(device, payload, length);
    switch (command) {
    case PROTO_CMD_STATEMENT:
        return bl_device_statement(device, payload, length, answer);
    case PROTO_CMD_INSTALL:
    case PROTO_CMD_ZEROISE:
        return do_envelope(device, command, payload, length, answer);
    case PROTO_CMD_RECEIPT:
        return bl_device_receipt(device, answer);
    case PROTO_CMD_SELF_TEST:
        return bl_join_request(device, answer);
    default:
        return PROTO_BAD_COMMAND;
    }
}

static bool takes_payload(uint32_t command)
{
    return command == PROTO_CMD_STATEMENT || command == PROTO_CMD_INSTALL ||
           command == PROTO_CMD_ZEROISE || command == PROTO_CMD_FORGET;
}

enum proto_status bl_device_execute(struct bl_device *device, uint32_t command,
    const uint8_t *payload, size_t length, struct bl_answer *ret_answer)
{
    ret_answer->length = 0;
    if (command < PROTO_CMD_HELLO || command > PROTO_CMD_FORGET)
        return PROTO_BAD_COMMAND;
    if (length != 0 && !takes_payload(command))
        return PROTO_BAD_LENGTH;
    switch (command) {
    case PROTO_CMD_HELLO:
        do_hello(device, ret_answer);
        return PROTO_OK;
    case PROTO_CMD_RESET:
        device->reset_wanted = true;
        return PROTO_OK;
    case PROTO_CMD_RUN:
        return do_run(device);
    default:
        return conclude(
            execute_with_keys(device, command, payload, length, ret_answer), ret_answer);
    }
}
