/* SPDX-License-Identifier: Apache-2.0 */
#include <gelf.h>
#include <libelf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ctime/routine.h"

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"

#define ELF_MAX      (4U << 20)
#define THUNK        0x0803F000U
#define THUNK_STOP   (THUNK + 14U)
#define STACK_TOP    0x0803EFC0U
#define CALL_PS      (60000000U * SIM_PS_PER_US)
#define SRAM_CODE_OK 1U /* Thumb bit */

static Elf *elf_of(const struct routine *routine)
{
    Elf *elf;

    assert_int_not_equal(elf_version(EV_CURRENT), EV_NONE);
    elf = elf_memory((char *)routine->file, routine->length);
    assert_non_null(elf);
    return elf;
}

static void load(struct routine *routine)
{
    Elf *elf = elf_of(routine);
    size_t count = 0;

    assert_int_equal(elf_getphdrnum(elf, &count), 0);
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr segment;

        assert_non_null(gelf_getphdr(elf, (int)i, &segment));
        if (segment.p_type != PT_LOAD || segment.p_filesz == 0)
            continue;
        routine_put(
            routine, (uint32_t)segment.p_paddr, routine->file + segment.p_offset, segment.p_filesz);
        routine->text_bytes += (uint32_t)segment.p_filesz;
    }
    elf_end(elf);
}

/* ldr r4, =arguments; ldr r5, [r4]; ldr r0 … r3; blx r5; b . */
static void write_thunk(const struct routine *routine)
{
    static const uint16_t code[] = { 0x4C03, 0x6825, 0x6860, 0x68A1, 0x68E2, 0x6923, 0x47A8,
        0xE7FE };
    uint32_t arguments = THUNK + 20U;

    routine_put(routine, THUNK, code, sizeof(code));
    routine_put(routine, THUNK + 16U, &arguments, sizeof(arguments));
}

void routine_open(struct routine *routine, const char *elf_path)
{
    struct sim_chip_opts opts = { .unique_id = { 1 }, .trng_seed = 1 };
    struct base_buf file;

    memset(routine, 0, sizeof(*routine));
    base_buf_init(&file, ELF_MAX);
    if (base_file_read(elf_path, &file, NULL) != BASE_OK)
        fail_msg("cannot read %s", elf_path);
    routine->length = file.length;
    routine->file = malloc(file.length);
    assert_non_null(routine->file);
    memcpy(routine->file, file.data, file.length);
    base_buf_done(&file);
    assert_int_equal(sim_chip_new(&opts, &routine->chip, NULL), BASE_OK);
    load(routine);
    write_thunk(routine);
}

void routine_close(struct routine *routine)
{
    sim_chip_free(routine->chip);
    free(routine->file);
}

static uint32_t find_in(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const char *name)
{
    Elf_Data *data = elf_getdata(section, NULL);

    assert_non_null(data);
    for (size_t i = 0; i < header->sh_size / header->sh_entsize; i++) {
        GElf_Sym symbol;
        const char *text;

        assert_non_null(gelf_getsym(data, (int)i, &symbol));
        text = elf_strptr(elf, header->sh_link, symbol.st_name);
        if (text != NULL && strcmp(text, name) == 0 && symbol.st_shndx != SHN_UNDEF)
            return (uint32_t)symbol.st_value;
    }
    return 0;
}

uint32_t routine_symbol(const struct routine *routine, const char *name)
{
    Elf *elf = elf_of(routine);
    Elf_Scn *section = NULL;
    uint32_t address = 0;

    while (address == 0 && (section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr header;

        assert_non_null(gelf_getshdr(section, &header));
        if (header.sh_type == SHT_SYMTAB)
            address = find_in(elf, section, &header, name);
    }
    elf_end(elf);
    if (address == 0)
        fail_msg("the image has no symbol %s", name);
    return address;
}

void routine_put(const struct routine *routine, uint32_t address, const void *data, size_t length)
{
    assert_true(sim_chip_test_write(routine->chip, address, data, length));
}

void routine_get(const struct routine *routine, uint32_t address, void *ret_data, size_t length)
{
    assert_true(sim_chip_test_read(routine->chip, address, ret_data, length));
}

uint64_t routine_call(const struct routine *routine, uint32_t function, const uint32_t *arguments,
    size_t count, uint32_t *ret_value)
{
    uint32_t words[1 + 4] = { function | SRAM_CODE_OK };
    uint32_t sp = STACK_TOP;
    uint64_t before;

    assert_true(count <= ROUTINE_ARGUMENTS_MAX);
    for (size_t i = 0; i < count && i < 4; i++)
        words[1 + i] = arguments[i];
    if (count > 4) {
        sp -= 32U;
        routine_put(routine, sp, arguments + 4, 4U * (count - 4));
    }
    routine_put(routine, THUNK + 20U, words, sizeof(words));
    sim_chip_test_start(routine->chip, sp, THUNK);
    sim_chip_test_stack_restart(routine->chip, SIM_AP_CM0);
    before = sim_chip_test_core(routine->chip, SIM_AP_CM0).busy_cycles;
    if (!sim_chip_test_run_to(routine->chip, THUNK_STOP, sim_chip_time_ps(routine->chip) + CALL_PS))
        fail_msg("the call of 0x%08X does not return; pc 0x%08X", function,
            sim_chip_test_core(routine->chip, SIM_AP_CM0).pc);
    if (ret_value != NULL)
        *ret_value = sim_chip_test_reg(routine->chip, SIM_AP_CM0, 0);
    return sim_chip_test_core(routine->chip, SIM_AP_CM0).busy_cycles - before;
}

uint32_t routine_stack(const struct routine *routine)
{
    return STACK_TOP - sim_chip_test_stack_low(routine->chip, SIM_AP_CM0);
}
