/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>

#include "tests/unit/device-fw/chip.h"

#include <cmocka.h>

#include "base/hash.h"
#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/bootloader/srom.h"
#include "device-fw/protocol/application.h"
#include "device-fw/protocol/binding.h"
#include "tests/unit/device-fw/chip_flash.h"

#define IMAGE_SIZE     0x1000U
#define SFLASH_ADDRESS 0x16000000U
#define POINTER_BASE   0x08010000U
#define POINTER_COUNT  16U
#define PROT_BASE      0x40240000U
#define PROT_SIZE      0x8000U
#define PPU_BLOCKS     4U
#define PPU_SIZE       0x800U
#define WINDOW_ADDRESS 0x08000000U /* what the port reaches; the mailbox lies in it */
#define WINDOW_SIZE    0x4000U

struct chip chip;

/* Registers and the pointers that the bootloader has shown to the hardware. */
static struct {
    uint32_t prot[PROT_SIZE / 4];
    uint32_t ppu[PPU_BLOCKS][PPU_SIZE / 4];
    uint32_t ap_ctl;
    uint32_t port_sel1;
    uint32_t port_cfg;
    const void *pointer[POINTER_COUNT];
    uint32_t pointer_next;
    uint32_t ipc_data;
    bool ipc_locked;
    uint32_t intr_mask;
    uint32_t crypto_ctl;
    uint32_t crypto_intr;
    uint32_t fifo[3];
    uint32_t fifo_used;
    uint32_t result;
    uint32_t cm4_power;
    uint32_t cm4_vectors;
    uint32_t channel_owner[16];
    uint32_t channel_data[16];
    uint32_t channel_events[16];
} hw;

void chip_reset_counters(void)
{
    chip.flash_operations = 0;
    chip.cut_at = 0;
    chip.refuse_from = 0;
    chip.lie_in = 0;
}

static struct {
    struct chip_access access[CHIP_TRACE_MAX];
    size_t count;
    bool on;
} trace;

static void note(bool write, uint32_t address, uint32_t value)
{
    if (trace.on && trace.count < CHIP_TRACE_MAX)
        trace.access[trace.count++] = (struct chip_access){ write, address, value };
}

void chip_trace_start(void)
{
    trace.count = 0;
    trace.on = true;
}

const struct chip_access *chip_trace_stop(size_t *ret_count)
{
    trace.on = false;
    *ret_count = trace.count;
    return trace.access;
}

void chip_power_on(void)
{
    memset(&hw, 0, sizeof(hw));
    memset(chip.mailbox, 0, sizeof(chip.mailbox));
}

void chip_new(uint8_t number)
{
    static const uint8_t die[11] = { 0x11, 0x22, 0x33, 4, 5, 6, 7, 1, 24, 11, 13 };

    memset(&chip, 0, sizeof(chip));
    chip_power_on();
    chip.image[0] = (uint8_t)IMAGE_SIZE;
    chip.image[1] = (uint8_t)(IMAGE_SIZE >> 8);
    for (size_t i = PROTO_BINDING_OFFSET + PROTO_BINDING_SIZE; i < IMAGE_SIZE; i++)
        chip.image[i] = (uint8_t)(i * 7);
    chip.sflash[2] = 0x07;
    chip.sflash[3] = 0xE2;
    chip.sflash[0xC] = 0x00;
    chip.sflash[0xD] = 0x01;
    memcpy(chip.sflash + 0x600, die, sizeof(die));
    chip.sflash[0x604] = number;
    chip.protection = 2;
    chip.fuse[BL_FUSE_LIFECYCLE] = 1;
    chip.noise_state = 0x9E3779B97F4A7C15U + number;
}

void chip_bind(const uint8_t *authority_0, const uint8_t *authority_1, bool lab)
{
    struct proto_binding binding = {
        .flags = lab ? PROTO_FLAG_LAB : 0,
        .minimum_protocol = PROTO_VERSION,
        .bootloader_version = LPA_BOOTLOADER_VERSION,
    };
    uint8_t *block = chip.image + PROTO_BINDING_OFFSET;

    if (authority_0 != NULL)
        memcpy(binding.authority_key[0], authority_0, PROTO_PUBLIC_KEY_SIZE);
    if (authority_1 != NULL)
        memcpy(binding.authority_key[1], authority_1, PROTO_PUBLIC_KEY_SIZE);
    proto_binding_encode(&binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
}

/* ---- memory ---- */

struct place {
    uint32_t address;
    uint8_t *host;
    size_t length;
};

static uint8_t *find(uint32_t address, size_t length)
{
    const struct place places[] = {
        { PROTO_IMAGE_ADDRESS, chip.image, sizeof(chip.image) },
        { PROTO_VAULT_HOME_0, chip.home[0], PROTO_VAULT_HOME_SIZE },
        { PROTO_VAULT_HOME_1, chip.home[1], PROTO_VAULT_HOME_SIZE },
        { SFLASH_ADDRESS, chip.sflash, sizeof(chip.sflash) },
        { PROTO_MAILBOX_ADDRESS, chip.mailbox, sizeof(chip.mailbox) },
        { PROTO_APPLICATION_ADDRESS, chip.application, sizeof(chip.application) },
        { CHIP_SHARED, chip.shared, sizeof(chip.shared) },
        { CHIP_LAYER, chip.layer, sizeof(chip.layer) },
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (address >= places[i].address && address - places[i].address < places[i].length &&
            length <= places[i].length - (address - places[i].address))
            return places[i].host + (address - places[i].address);
    }
    return NULL;
}

void bl_hal_read(uint32_t address, void *ret_data, size_t length)
{
    const uint8_t *from = find(address, length);

    if (from == NULL)
        fail_msg("read of %zu bytes at 0x%08X", length, address);
    memcpy(ret_data, from, length);
}

uint32_t bl_hal_address(const void *object)
{
    uint32_t slot = hw.pointer_next++ % POINTER_COUNT;

    hw.pointer[slot] = object;
    return POINTER_BASE + 4 * slot;
}

static const void *pointer_of(uint32_t address)
{
    uint32_t slot = (address - POINTER_BASE) / 4;

    assert_true(address >= POINTER_BASE && slot < POINTER_COUNT && hw.pointer[slot] != NULL);
    return hw.pointer[slot];
}

/* ---- system calls ---- */

static uint32_t write_row(uint32_t address, const uint8_t *new_row, bool must_be_blank)
{
    return chip_flash_write(find(address, PROTO_VAULT_HOME_SIZE), new_row, must_be_blank);
}

static uint32_t system_call(const struct bl_srom_block *block)
{
    static const uint8_t blank[PROTO_VAULT_HOME_SIZE];
    uint32_t op = block->word[0] >> 24;
    uint32_t byte = block->word[0] >> 8 & 0xFFFFU;

    if (op == 0x03 && byte < sizeof(chip.fuse))
        return CHIP_SROM_SUCCESS |
               (chip.fuse[byte] ^ (++chip.fuse_reads == chip.fuse_glitch ? 1U : 0));
    if (block->word[0] == 0x1C000100U)
        return write_row(block->word[1], blank, false);
    if (block->word[0] == 0x06000100U && block->word[1] == 0x106U)
        return write_row(block->word[2], pointer_of(block->word[3]), true);
    return CHIP_SROM_BAD_OPCODE;
}

static void notify(uint32_t value)
{
    struct bl_srom_block *block;

    /* Without the mask bit the call would never be served. */
    if (value != 1 || !hw.ipc_locked || (hw.intr_mask & 0x00010000U) == 0)
        return;
    memcpy(&block, &(const void *){ pointer_of(hw.ipc_data) }, sizeof(block));
    block->word[0] = system_call(block);
    hw.ipc_locked = false;
}

/* ---- noise ---- */

static uint32_t good_word(void)
{
    chip.noise_state ^= chip.noise_state << 13;
    chip.noise_state ^= chip.noise_state >> 7;
    chip.noise_state ^= chip.noise_state << 17;
    return (uint32_t)(chip.noise_state >> 16);
}

static void draw(void)
{
    enum chip_noise noise = chip.noise;

    if (chip.noise_good_words > 0) {
        chip.noise_good_words--;
        noise = CHIP_NOISE_GOOD;
    }
    hw.result = good_word();
    if (noise == CHIP_NOISE_STUCK_0)
        hw.result = 0;
    else if (noise == CHIP_NOISE_STUCK_1)
        hw.result = UINT32_MAX;
    else if (noise == CHIP_NOISE_BIASED)
        hw.result |= good_word() | good_word();
    if (noise == CHIP_NOISE_MONITOR)
        hw.crypto_intr |= 1U << 20;
    else if (noise != CHIP_NOISE_SILENT)
        hw.crypto_intr |= 8U;
}

static void push_instruction(uint32_t value)
{
    if (hw.fifo_used < 3)
        hw.fifo[hw.fifo_used++] = value;
    if (hw.fifo_used < 3)
        return;
    assert_int_equal(hw.fifo[0], 0x40000000U);
    assert_int_equal(hw.fifo[1], 32);
    assert_int_equal(hw.fifo[2], 0x60000000U);
    assert_int_equal(hw.crypto_ctl, 0x80000003U);
    hw.fifo_used = 0;
    draw();
}

/* ---- registers ---- */

/* A register of protection or pins, which holds what is written; NULL when it is another one. */
static uint32_t *plain_register(uint32_t address)
{
    static const uint32_t ppu[PPU_BLOCKS] = { 0x40014000U, 0x40100000U, 0x40200000U, 0x40201000U };

    if (address >= PROT_BASE && address - PROT_BASE < PROT_SIZE)
        return &hw.prot[(address - PROT_BASE) / 4];
    for (unsigned i = 0; i < PPU_BLOCKS; i++) {
        if (address >= ppu[i] && address - ppu[i] < PPU_SIZE)
            return &hw.ppu[i][(address - ppu[i]) / 4];
    }
    switch (address) {
    case BL_CPUSS_AP_CTL:
        return &hw.ap_ctl;
    case BL_HSIOM_PRT6_PORT_SEL1:
        return &hw.port_sel1;
    case BL_GPIO_PRT6_CFG:
        return &hw.port_cfg;
    default:
        return NULL;
    }
}

/* ---- IPC channels of the application ---- */

#define CHANNEL_FIRST 8U
#define CHANNEL_LAST  9U

void chip_ipc_request(uint32_t channel, uint32_t owner, uint32_t data)
{
    hw.channel_owner[channel] = BL_IPC_ACQUIRED | owner;
    hw.channel_data[channel] = data;
    hw.channel_events[channel] |= BL_IPC_INTR_NOTIFY(channel);
}

bool chip_cm4_is_on(void)
{
    return (hw.cm4_power & BL_CPUSS_CM4_PWR_MODE) == 3;
}

void chip_cm4_set(bool on)
{
    hw.cm4_power = on ? BL_CPUSS_CM4_PWR_ON : BL_CPUSS_CM4_PWR_OFF;
}

static bool read_channel(uint32_t address, uint32_t *ret_value)
{
    for (uint32_t i = CHANNEL_FIRST; i <= CHANNEL_LAST; i++) {
        if (address == BL_IPC_ACQUIRE(i)) {
            *ret_value = (hw.channel_owner[i] & BL_IPC_ACQUIRED) != 0 ? 0 : BL_IPC_ACQUIRED;
            hw.channel_owner[i] |= BL_IPC_ACQUIRED;
            return true;
        }
        if (address == BL_IPC_DATA(i) || address == BL_IPC_LOCK_STATUS(i)) {
            *ret_value = address == BL_IPC_DATA(i) ? hw.channel_data[i] : hw.channel_owner[i];
            return true;
        }
        if (address == BL_IPC_INTR(i)) {
            *ret_value = hw.channel_events[i];
            return true;
        }
    }
    return false;
}

static bool write_channel(uint32_t address, uint32_t value)
{
    for (uint32_t i = CHANNEL_FIRST; i <= CHANNEL_LAST; i++) {
        if (address == BL_IPC_RELEASE(i)) {
            hw.channel_owner[i] = 0;
            chip.released |= 1U << i;
            return true;
        }
        if (address == BL_IPC_DATA(i)) {
            hw.channel_data[i] = value;
            return true;
        }
        if (address == BL_IPC_NOTIFY(i)) {
            chip.parks++;
            if (chip.cm4_parks)
                hw.channel_data[i] = 2;
            return true;
        }
        if (address == BL_IPC_INTR(i)) {
            hw.channel_events[i] &= ~value;
            return true;
        }
    }
    return false;
}

static uint32_t read_register(uint32_t address)
{
    const uint32_t *plain = plain_register(address);
    uint32_t lock;

    if (plain != NULL)
        return *plain;
    if (read_channel(address, &lock))
        return lock;
    switch (address) {
    case BL_CPUSS_CM4_PWR_CTL:
        return hw.cm4_power;
    case BL_CPUSS_CM4_STATUS:
        return BL_CPUSS_CM4_STATUS_DONE;
    case BL_IPC0_ACQUIRE:
        lock = hw.ipc_locked || chip.ipc_stuck ? 0 : BL_IPC_ACQUIRED;
        hw.ipc_locked = true;
        return lock;
    case BL_IPC0_LOCK_STATUS:
        return hw.ipc_locked ? BL_IPC_ACQUIRED : 0;
    case BL_IPC_INTR0_MASK:
        return hw.intr_mask;
    case BL_CPUSS_PROTECTION:
        return chip.protection;
    case BL_FLASHC_FLASH_CMD:
        if (chip.cache_busy == 0)
            return 0;
        chip.cache_busy--;
        return BL_FLASHC_FLASH_CMD_INVALIDATE;
    case BL_CRYPTO_INTR:
        return hw.crypto_intr;
    case BL_CRYPTO_TR_RESULT:
        return hw.result;
    default:
        fail_msg("read of register 0x%08X", address);
        return 0;
    }
}

static bool is_shared(uint32_t address)
{
    return (address >= CHIP_SHARED && address < CHIP_SHARED + CHIP_SHARED_SIZE) ||
           (address >= CHIP_LAYER && address < CHIP_LAYER + CHIP_SHARED_SIZE);
}

uint32_t bl_hal_read32(uint32_t address)
{
    const uint8_t *from = find(address, 4);
    uint32_t value;

    if (is_shared(address) && chip.on_read != NULL)
        chip.on_read(address);
    if (from != NULL)
        return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
               (uint32_t)from[3] << 24;
    value = read_register(address);
    note(false, address, value);
    return value;
}

static bool write_crypto(uint32_t address, uint32_t value)
{
    switch (address) {
    case BL_CRYPTO_CTL:
        hw.crypto_ctl = value;
        return true;
    case BL_CRYPTO_INSTR_FF_WR:
        push_instruction(value);
        return true;
    case BL_CRYPTO_INTR:
        hw.crypto_intr &= ~value;
        return true;
    case BL_CRYPTO_TR_CTL0:
    case BL_CRYPTO_TR_CTL1:
    case BL_CRYPTO_TR_GARO:
    case BL_CRYPTO_TR_FIRO:
    case BL_CRYPTO_TR_MON_CTL:
    case BL_CRYPTO_TR_MON_RC_CTL:
    case BL_CRYPTO_TR_MON_AP_CTL:
    case BL_CRYPTO_TR_MON_CMD:
        return true;
    default:
        return false;
    }
}

void bl_hal_write32(uint32_t address, uint32_t value)
{
    uint32_t *plain = plain_register(address);

    if (address >= PROTO_MAILBOX_ADDRESS && address < PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_SIZE) {
        uint8_t *to = chip.mailbox + (address - PROTO_MAILBOX_ADDRESS);

        for (unsigned i = 0; i < 4; i++)
            to[i] = (uint8_t)(value >> 8 * i);
        return;
    }
    if (address >= WINDOW_ADDRESS && address < WINDOW_ADDRESS + WINDOW_SIZE) {
        assert_int_equal(value, 0);
        return;
    }
    if (is_shared(address)) {
        uint8_t *to = find(address, 4);

        for (unsigned i = 0; i < 4; i++)
            to[i] = (uint8_t)(value >> 8 * i);
        return;
    }
    note(true, address, value);
    if (write_channel(address, value))
        return;
    if (plain != NULL) {
        if (address != chip.deaf_register)
            *plain = value;
        return;
    }
    if (write_crypto(address, value))
        return;
    if (address == BL_IPC0_DATA)
        hw.ipc_data = value;
    else if (address == BL_IPC_INTR0_MASK)
        hw.intr_mask = value;
    else if (address == BL_IPC0_NOTIFY)
        notify(value);
    else if (address == BL_CPUSS_CM4_PWR_CTL)
        hw.cm4_power = value;
    else if (address == BL_CPUSS_CM4_VECTOR_BASE)
        hw.cm4_vectors = value;
    else if (address != BL_FLASHC_FLASH_CMD)
        fail_msg("write of 0x%08X to register 0x%08X", value, address);
}

void bl_hal_idle(void)
{
}

void bl_hal_clear_stack(void)
{
}

void bl_hal_reset(void)
{
    chip.resets++;
}

void chip_put_record(const struct bl_record *record)
{
    bl_record_encode(record, chip.home[0]);
    bl_record_encode(record, chip.home[1]);
}
