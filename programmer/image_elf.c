/* SPDX-License-Identifier: Apache-2.0 */
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "programmer/image_private.h"

#define MAX_PROGRAM_HEADERS 512U

static enum base_status not_elf(const char *name, const char *why, struct base_err *err)
{
    return base_err_set(err, BASE_E_CORRUPT, "image", 0, "%s: %s", name, why);
}

static enum base_status check_kind(Elf *elf, const char *name, struct base_err *err)
{
    GElf_Ehdr header;
    if (elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL) {
        return not_elf(name, "is a damaged or truncated ELF file", err);
    }
    if (header.e_ident[EI_CLASS] != ELFCLASS32 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_ARM) {
        return not_elf(
            name, "is an ELF file for another machine than 32-bit little-endian ARM", err);
    }
    return BASE_OK;
}

static enum base_status add_segment(const GElf_Phdr *segment, unsigned index, const uint8_t *bytes,
    size_t length, const char *name, struct prg_image *image, struct base_err *err)
{
    if (segment->p_type != PT_LOAD || segment->p_filesz == 0) {
        return BASE_OK;
    }
    if (segment->p_offset > length || segment->p_filesz > length - segment->p_offset) {
        return base_err_set(err, BASE_E_CORRUPT, "image", index,
            "%s: segment %u lies beyond the end of the file; the file is truncated", name, index);
    }
    if (segment->p_paddr > 0xFFFFFFFFU) {
        return base_err_set(err, BASE_E_CORRUPT, "image", index,
            "%s: segment %u has no 32-bit address", name, index);
    }
    return prg_image_add(image, name, index, (uint32_t)segment->p_paddr, bytes + segment->p_offset,
        (size_t)segment->p_filesz, err);
}

static enum base_status read_segments(Elf *elf, const uint8_t *bytes, size_t length,
    const char *name, struct prg_image *image, struct base_err *err)
{
    size_t count = 0;
    enum base_status status = check_kind(elf, name, err);
    if (status != BASE_OK) {
        return status;
    }
    if (elf_getphdrnum(elf, &count) != 0 || count > MAX_PROGRAM_HEADERS) {
        return not_elf(name, "has a damaged table of segments", err);
    }
    for (size_t i = 0; i < count && status == BASE_OK; i++) {
        GElf_Phdr segment;
        if (gelf_getphdr(elf, (int)i, &segment) == NULL) {
            return not_elf(name, "has a damaged table of segments", err);
        }
        status = add_segment(&segment, (unsigned)i, bytes, length, name, image, err);
    }
    return status;
}

enum base_status prg_image_read_elf(const uint8_t *bytes, size_t length, const char *name,
    struct prg_image *image, struct base_err *err)
{
    if (elf_version(EV_CURRENT) == EV_NONE) {
        return base_err_set(
            err, BASE_E_INTERNAL, "image", 0, "the ELF library is of another version");
    }
    /* libelf wants memory that it may write to. */
    char *copy = malloc(length);
    if (copy == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "image", 0, "no memory for an image");
    }
    memcpy(copy, bytes, length);
    Elf *elf = elf_memory(copy, length);
    enum base_status status = elf == NULL ? not_elf(name, "is a damaged or truncated ELF file", err)
                                          : read_segments(elf, bytes, length, name, image, err);
    (void)elf_end(elf);
    free(copy);
    return status;
}
