/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/glitch/firmware.h"

#include <cmocka.h>

#include "base/file.h"
#include "device-fw/protocol/layout.h"

/* ELF32, little-endian (TIS ELF 1.2): the fields that are needed. */
#define ELF_MAX        (8U << 20)
#define EH_SHOFF       32U
#define EH_SHENTSIZE   46U
#define EH_SHNUM       48U
#define SH_TYPE        4U
#define SH_OFFSET      16U
#define SH_SIZE        20U
#define SH_LINK        24U
#define SHT_SYMTAB     2U
#define SYMBOL_SIZE    16U
#define ST_VALUE       4U
#define ST_SIZE        8U
#define ST_INFO        12U
#define STT_FUNC       2U
#define PRIMITIVE_NAME "br_"

struct symbol {
    const char *name;
    uint32_t value;
    uint32_t size;
    bool is_function;
};

static const uint8_t *at(const struct firmware *firmware, uint32_t offset, uint32_t length)
{
    assert_true(offset <= firmware->elf.length && length <= firmware->elf.length - offset);
    return firmware->elf.data + offset;
}

static uint32_t word(const struct firmware *firmware, uint32_t offset)
{
    return base_get_le32(at(firmware, offset, 4));
}

static uint32_t half(const struct firmware *firmware, uint32_t offset)
{
    const uint8_t *bytes = at(firmware, offset, 2);

    return (uint32_t)bytes[1] << 8 | bytes[0];
}

static struct symbol symbol_at(const struct firmware *firmware, uint32_t index)
{
    uint32_t offset = firmware->symtab_at + index * SYMBOL_SIZE;
    struct symbol symbol;

    symbol.name = (const char *)at(firmware, firmware->strtab_at + word(firmware, offset), 1);
    symbol.value = word(firmware, offset + ST_VALUE);
    symbol.size = word(firmware, offset + ST_SIZE);
    symbol.is_function = (*at(firmware, offset + ST_INFO, 1) & 0xFU) == STT_FUNC;
    if (symbol.is_function)
        symbol.value &= ~1U;
    return symbol;
}

static void find_tables(struct firmware *firmware)
{
    uint32_t section = word(firmware, EH_SHOFF);
    uint32_t size = half(firmware, EH_SHENTSIZE);
    uint32_t count = half(firmware, EH_SHNUM);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t header = section + i * size;

        if (word(firmware, header + SH_TYPE) != SHT_SYMTAB)
            continue;
        firmware->symtab_at = word(firmware, header + SH_OFFSET);
        firmware->symtab_count = word(firmware, header + SH_SIZE) / SYMBOL_SIZE;
        firmware->strtab_at =
            word(firmware, section + word(firmware, header + SH_LINK) * size + SH_OFFSET);
    }
    assert_true(firmware->symtab_count > 0);
}

static bool begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_named(const struct symbol *symbol, const char *name)
{
    return begins(symbol->name, name) &&
           (symbol->name[strlen(name)] == '\0' || symbol->name[strlen(name)] == '.');
}

/* Our names stand on one side, BearSSL's on the other. */
static void find_primitives(struct firmware *firmware)
{
    firmware->primitive_low = UINT32_MAX;
    for (uint32_t i = 0; i < firmware->symtab_count; i++) {
        struct symbol symbol = symbol_at(firmware, i);

        if (!symbol.is_function)
            continue;
        if (begins(symbol.name, PRIMITIVE_NAME) && symbol.value < firmware->primitive_low)
            firmware->primitive_low = symbol.value;
        if (begins(symbol.name, PRIMITIVE_NAME) &&
            symbol.value + symbol.size > firmware->primitive_high)
            firmware->primitive_high = symbol.value + symbol.size;
        if (symbol.value + symbol.size > firmware->text_end)
            firmware->text_end = symbol.value + symbol.size;
    }
    for (uint32_t i = 0; i < firmware->symtab_count; i++) {
        struct symbol symbol = symbol_at(firmware, i);

        if (symbol.is_function && (begins(symbol.name, "bl_") || begins(symbol.name, "proto_")))
            assert_false(firmware_is_primitive(firmware, symbol.value));
    }
    assert_true(firmware->primitive_low < firmware->primitive_high);
}

void firmware_load(struct firmware *ret_firmware)
{
    const char *path = getenv("LPA_TEST_ELF");

    memset(ret_firmware, 0, sizeof(*ret_firmware));
    base_buf_init(&ret_firmware->elf, ELF_MAX);
    if (path == NULL || base_file_read(path, &ret_firmware->elf, NULL) != BASE_OK)
        fail_msg("LPA_TEST_ELF must name the device image's ELF file");
    find_tables(ret_firmware);
    find_primitives(ret_firmware);
    ret_firmware->stack_bottom = firmware_symbol(ret_firmware, "bl_stack_bottom", NULL);
    ret_firmware->stack_top = firmware_symbol(ret_firmware, "bl_stack_top", NULL);
}

void firmware_done(struct firmware *firmware)
{
    base_buf_done(&firmware->elf);
}

bool firmware_find(const struct firmware *firmware, const char *name, uint32_t *ret_value)
{
    for (uint32_t i = 0; i < firmware->symtab_count; i++) {
        struct symbol symbol = symbol_at(firmware, i);

        if (!is_named(&symbol, name))
            continue;
        *ret_value = symbol.value;
        return true;
    }
    return false;
}

uint32_t firmware_symbol(const struct firmware *firmware, const char *name, uint32_t *ret_size)
{
    for (uint32_t i = 0; i < firmware->symtab_count; i++) {
        struct symbol symbol = symbol_at(firmware, i);

        if (!is_named(&symbol, name))
            continue;
        if (ret_size != NULL)
            *ret_size = symbol.size;
        return symbol.value;
    }
    fail_msg("the image has no symbol %s", name);
    return 0;
}

const char *firmware_name_at(const struct firmware *firmware, uint32_t address)
{
    for (uint32_t i = 0; i < firmware->symtab_count; i++) {
        struct symbol symbol = symbol_at(firmware, i);

        if (symbol.is_function && address >= symbol.value && address - symbol.value < symbol.size)
            return symbol.name;
    }
    return "?";
}

uint32_t firmware_function(const struct firmware *firmware, uint32_t index)
{
    struct symbol symbol = symbol_at(firmware, index);

    return symbol.is_function ? symbol.value : 0;
}

bool firmware_is_primitive(const struct firmware *firmware, uint32_t address)
{
    return address >= firmware->primitive_low && address < firmware->primitive_high;
}

bool firmware_is_own(const struct firmware *firmware, uint32_t address)
{
    return address >= PROTO_IMAGE_ADDRESS && address < firmware->text_end &&
           !firmware_is_primitive(firmware, address);
}
