/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry points for frama-c's Eva: every codec that reads bytes from outside, with any bytes and any
 * length, and the vault with any contents of both homes. Never compiled into anything.
 */
#include "device-fw/bootloader/aes.h"
#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/record.h"
#include "device-fw/bootloader/srom.h"
#include "device-fw/bootloader/vault.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/application.h"
#include "device-fw/protocol/binding.h"
#include "device-fw/protocol/image.h"
#include "device-fw/protocol/mailbox.h"
#include "device-fw/protocol/messages.h"
#include "device-fw/services/lorawan.h"
#include "device-fw/services/message.h"
#include "device-fw/services/part.h"

#define BYTES_MAX 512U

extern volatile uint8_t any_byte;
extern volatile uint32_t any_word;
extern volatile int any_choice;

/* ---- what is not looked into: hash and AES, and the chip ---- */

/*@ requires \valid_read(key + (0 .. 15));
    requires \valid(blocks + (0 .. length - 1));
    requires \initialized(blocks + (0 .. length - 1));
    requires length % 16 == 0;
    assigns blocks[0 .. length - 1] \from indirect: length;
    ensures \initialized(blocks + (0 .. length - 1));
*/
void bl_aes_encrypt(const uint8_t key[16], uint8_t *blocks, size_t length);

/*@ requires \valid(ret_hash + (0 .. 31));
    assigns ret_hash[0 .. 31] \from indirect: length;
    ensures \initialized(ret_hash + (0 .. 31));
*/
void bl_sha256(const void *data, size_t length, uint8_t ret_hash[PROTO_HASH_SIZE]);

/*@ requires \valid_read((const uint8_t *)data + (0 .. length - 1));
    requires \initialized((const uint8_t *)data + (0 .. length - 1));
    assigns ret_mac[0 .. 15] \from indirect: length;
    ensures \initialized(ret_mac + (0 .. 15));
*/
void bl_aes_cmac(const void *key, size_t key_length, const void *data, size_t length,
    uint8_t ret_mac[BL_AES_BLOCK_SIZE]);

void bl_hal_read(uint32_t address, void *ret_data, size_t length)
{
    uint8_t *at = ret_data;

    (void)address;
    for (size_t i = 0; i < length; i++)
        at[i] = any_byte;
}

uint32_t bl_hal_read32(uint32_t address)
{
    (void)address;
    return any_word;
}

void bl_hal_write32(uint32_t address, uint32_t value)
{
    (void)address;
    (void)value;
}

bool bl_srom_erase_row(uint32_t address)
{
    (void)address;
    return any_choice != 0;
}

bool bl_srom_program_row(uint32_t address, const void *data)
{
    (void)address;
    (void)data;
    return any_choice != 0;
}

void bl_wipe(void *data, size_t length)
{
    uint8_t *at = data;

    for (size_t i = 0; i < length; i++)
        at[i] = 0;
}

/* ---- entries ---- */

static void fill(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = any_byte;
}

static size_t any_length(void)
{
    uint32_t length = any_word;

    return length <= BYTES_MAX ? length : BYTES_MAX;
}

static void read_messages(void)
{
    static uint8_t bytes[BYTES_MAX];
    struct proto_statement statement;
    struct proto_envelope envelope;
    struct proto_receipt receipt;
    struct proto_hello hello;
    struct proto_lock_answer lock;
    size_t length = any_length();

    fill(bytes, sizeof(bytes));
    if (proto_statement_decode(bytes, length, &statement) == PROTO_OK)
        proto_statement_encode(&statement, bytes);
    if (proto_envelope_decode(bytes, length, &envelope) == PROTO_OK)
        proto_envelope_header_encode(&envelope.header, bytes);
    if (proto_receipt_decode(bytes, length, &receipt) == PROTO_OK)
        proto_receipt_encode(&receipt, bytes);
    if (proto_hello_decode(bytes, length, &hello) == PROTO_OK)
        proto_hello_encode(&hello, bytes);
    if (proto_lock_answer_decode(bytes, length, &lock) == PROTO_OK)
        proto_lock_answer_encode(&lock, bytes);
    proto_forget_body_encode(bytes, any_word, bytes + PROTO_CHIP_ID_SIZE);
    (void)proto_mailbox_crc(any_word, (uint32_t)length, any_word, bytes);
}

static void read_image(void)
{
    static uint8_t bytes[PROTO_BINDING_OFFSET + PROTO_BINDING_SIZE + 64U];
    struct proto_image image;
    uint32_t length = any_word;

    fill(bytes, sizeof(bytes));
    if (length > sizeof(bytes))
        length = sizeof(bytes);
    if (proto_image_decode(bytes, length, &image) == PROTO_OK)
        proto_binding_encode(&image.binding, bytes);
}

void read_record(void);

void read_record(void)
{
    static uint8_t row[BL_RECORD_SIZE];
    struct bl_record record;

    fill(row, sizeof(row));
    if (bl_record_decode(row, &record))
        bl_record_encode(&record, row);
}

static void use_vault(void)
{
    static struct bl_vault vault;
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
    uint8_t hash[PROTO_HASH_SIZE];

    fill(chip_id, sizeof(chip_id));
    if (bl_vault_load(&vault, chip_id) == PROTO_OK) {
        (void)bl_vault_draft(&vault, chip_id);
        (void)bl_vault_commit(&vault);
        (void)bl_vault_draft(&vault, chip_id);
        (void)bl_vault_commit_as(&vault, BL_ACT_FORGET, &vault.draft.installed);
    }
    bl_vault_installed_hash(hash);
}

void read_part(void);

void read_part(void)
{
    static uint8_t bytes[SVC_PART_SIZE];
    struct svc_part part;

    fill(bytes, sizeof(bytes));
    svc_part_decode(bytes, any_word, &part);
    svc_part_encode(&part, bytes);
}

static void read_application(void)
{
    static uint8_t bytes[PROTO_APPLICATION_TLV_MAX];
    static uint8_t header[PROTO_APPLICATION_HEADER_SIZE];
    struct proto_application application;
    struct proto_application_tlv tlv;
    size_t length = any_length();

    fill(bytes, sizeof(bytes));
    fill(header, sizeof(header));
    if (length > sizeof(bytes))
        length = sizeof(bytes);
    if (proto_application_decode(header, &application) == PROTO_OK)
        proto_application_encode(&application, header);
    if (proto_application_tlv_decode(bytes, length, &tlv) == PROTO_OK)
        (void)proto_application_tlv_encode(&tlv, bytes);
}

/* Every function with any frame that the services' own checks let through. */
static void use_lorawan(void)
{
    static uint8_t key[SVC_KEY_SIZE];
    static uint8_t frame[SVC_FRAME_MAX];
    static uint8_t eui[PROTO_EUI_SIZE];
    static uint8_t block[SVC_BLOCK_SIZE];
    uint8_t address[4];
    uint8_t mic[SVC_MIC_SIZE];
    const struct svc_lorawan_join join = { frame + 1, frame + 4, eui, (uint16_t)any_word };
    const struct svc_lorawan_data data = { address, any_word, any_choice != 0 };
    size_t length = any_length();

    fill(frame, sizeof(frame));
    fill(eui, sizeof(eui));
    fill(address, sizeof(address));
    if (length > sizeof(frame))
        length = sizeof(frame);
    svc_lorawan_derive_1_0(key, SVC_DERIVE_APP_S, &join, key);
    svc_lorawan_derive_1_1(key, SVC_DERIVE_F_NWK_S_INT, &join, key);
    svc_lorawan_derive_js(key, SVC_DERIVE_JS_ENC, eui, key);
    svc_lorawan_open_accept(key, frame + 1, any_choice != 0 ? 16 : 32);
    svc_lorawan_mic(key, frame, length, mic);
    svc_lorawan_b0(&data, (uint16_t)any_word, length, block);
    svc_lorawan_b1(&data, (uint16_t)any_word, any_byte, any_byte, length, block);
    svc_lorawan_crypt(key, &data, any_byte, frame, length);
    svc_lorawan_crypt_fopts(key, &data, any_choice != 0, frame, length < 15 ? length : 15);
}

int main(void)
{
    read_application();
    use_lorawan();
    read_messages();
    read_image();
    read_record();
    read_part();
    use_vault();
    return 0;
}
