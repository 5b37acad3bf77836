/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A finished board out in the field, for whole-line tests: its flash and fuses come from a board
 * file of lpa-sim, nothing but its application's radio is spoken with, and its supply fails when
 * it is told to.
 *
 *     field-board BOARD-FILE UNIQUE-ID
 *
 * One command a line on standard input, one answer a line on standard output; bytes are hex digits.
 *
 *     power                 off and on                      running | dark | silent
 *     hear                  the application's next frame    frame KIND STATUS BYTES | dark | silent
 *     tell KIND [BYTES]     give it one                     ok
 *     cut N WHEN PATTERN    the supply fails around the Nth flash operation from now: before,
 *                           during, after; 0 none: not      ok
 *     keep, back            remember this moment, return    ok
 *     operations            on flash since the start        number N
 *     find BYTES            places that hold them           found FLASH WORK SFLASH SRAM
 *     port                  pins and access ports           port PINS SYS CM0 CM4 (1: open)
 *     fits KEY FRAME        the join-request's MIC          yes | no
 *     save                  back to the file                ok
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cmac.h"
#include "base/hex.h"
#include "base/random.h"
#include "tests/support/radio.h"

#define LINE_MAX_BYTES 1024U
#define JOIN_BODY      19U
#define JOIN_SIZE      23U
#define KEY_SIZE       16U
#define REGION_MAX     0x100000U

struct field {
    struct sim_chip *chip;
    struct sim_chip *kept;
    const char *path;
    uint32_t heard, told;
};

/* The words of one line. */
struct words {
    char *word[4];
    unsigned count;
};

static const char *result_name(enum radio_result result)
{
    return result == RADIO_HEARD ? "running" : result == RADIO_DARK ? "dark" : "silent";
}

static bool decode(const char *text, uint8_t *ret_bytes, size_t most, size_t *ret_length)
{
    size_t length = strlen(text) / 2;

    *ret_length = length;
    return length <= most && base_hex_decode(text, length, ret_bytes, NULL) == BASE_OK;
}

static bool do_power(struct field *field, const struct words *words)
{
    (void)words;
    sim_chip_set_power(field->chip, false);
    sim_chip_set_power(field->chip, true);
    radio_clear(field->chip);
    field->heard = 0;
    field->told = 0;
    return printf("%s\n", result_name(radio_wait(field->chip, RADIO_AT(running), 0))) > 0;
}

static bool do_hear(struct field *field, const struct words *words)
{
    struct radio_frame frame = { .length = 0 };
    char text[2 * APP_RADIO_DATA_MAX + 1];
    enum radio_result result = radio_hear(field->chip, field->heard, &frame);

    (void)words;
    if (result != RADIO_HEARD)
        return printf("%s\n", result_name(result)) > 0;
    field->heard = frame.number;
    base_hex_encode(frame.data, frame.length, text);
    return printf("frame %u %u %s\n", frame.kind, frame.status, text) > 0;
}

static bool do_tell(struct field *field, const struct words *words)
{
    uint8_t bytes[APP_RADIO_DATA_MAX];
    size_t length = 0;

    if (words->count < 2 ||
        (words->count == 3 && !decode(words->word[2], bytes, sizeof(bytes), &length)))
        return false;
    radio_tell(
        field->chip, ++field->told, (uint32_t)strtoul(words->word[1], NULL, 10), bytes, length);
    return printf("ok\n") > 0;
}

static bool do_cut(struct field *field, const struct words *words)
{
    static const char *const names[] = { "none", "before", "during", "after" };
    struct sim_power_cut cut = { .when = SIM_CUT_NONE };

    if (words->count != 4)
        return false;
    while (strcmp(words->word[2], names[cut.when]) != 0) {
        if (cut.when == SIM_CUT_AFTER)
            return false;
        cut.when++;
    }
    cut.operation =
        sim_chip_flash_operations(field->chip) + (uint64_t)strtoul(words->word[1], NULL, 10);
    cut.pattern = (uint32_t)strtoul(words->word[3], NULL, 10);
    sim_chip_set_power_cut(field->chip, &cut);
    return printf("ok\n") > 0;
}

static bool do_keep(struct field *field, const struct words *words)
{
    (void)words;
    sim_chip_free(field->kept);
    field->kept = NULL;
    return sim_chip_fork(field->chip, &field->kept, NULL) == BASE_OK && printf("ok\n") > 0;
}

static bool do_back(struct field *field, const struct words *words)
{
    (void)words;
    if (field->kept == NULL)
        return false;
    sim_chip_test_copy(field->chip, field->kept);
    field->heard = radio_peek(field->chip, RADIO_AT(out.number));
    field->told = radio_peek(field->chip, RADIO_AT(in.number));
    return printf("ok\n") > 0;
}

static bool do_operations(struct field *field, const struct words *words)
{
    (void)words;
    return printf("number %llu\n", (unsigned long long)sim_chip_flash_operations(field->chip)) > 0;
}

static unsigned count_in(
    const struct field *field, uint32_t base, uint32_t size, const uint8_t *bytes, size_t length)
{
    static uint8_t memory[REGION_MAX];
    const uint8_t *at = memory;
    unsigned found = 0;

    if (!sim_chip_test_read(field->chip, base, memory, size))
        abort();
    while ((at = memmem(at, size - (size_t)(at - memory), bytes, length)) != NULL) {
        found++;
        at++;
    }
    return found;
}

static bool do_find(struct field *field, const struct words *words)
{
    static const struct {
        uint32_t base, size;
    } regions[] = { { 0x10000000U, 0x100000U }, { 0x14000000U, 0x8000U }, { 0x16000000U, 0x8000U },
        { 0x08000000U, 0x48000U } };

    uint8_t bytes[64];
    size_t length = 0;
    bool good = words->count == 2 && decode(words->word[1], bytes, sizeof(bytes), &length) &&
                length > 0 && printf("found") > 0;

    for (size_t i = 0; good && i < sizeof(regions) / sizeof(regions[0]); i++)
        good = printf(" %u", count_in(field, regions[i].base, regions[i].size, bytes, length)) > 0;
    return good && printf("\n") > 0;
}

static bool do_port(struct field *field, const struct words *words)
{
    (void)words;
    return printf("port %d %d %d %d\n", sim_chip_swd_connected(field->chip),
               sim_chip_ap_enabled(field->chip, SIM_AP_SYS),
               sim_chip_ap_enabled(field->chip, SIM_AP_CM0),
               sim_chip_ap_enabled(field->chip, SIM_AP_CM4)) > 0;
}

static bool do_fits(struct field *field, const struct words *words)
{
    uint8_t key[KEY_SIZE];
    uint8_t frame[JOIN_SIZE];
    uint8_t mac[16];
    size_t key_length = 0;
    size_t length = 0;

    (void)field;
    if (words->count != 3 || !decode(words->word[1], key, sizeof(key), &key_length) ||
        !decode(words->word[2], frame, sizeof(frame), &length) || key_length != sizeof(key) ||
        length != sizeof(frame) || base_cmac_aes128(key, frame, JOIN_BODY, mac, NULL) != BASE_OK)
        return false;
    return printf("%s\n", memcmp(mac, frame + JOIN_BODY, 4) == 0 ? "yes" : "no") > 0;
}

static bool do_save(struct field *field, const struct words *words)
{
    (void)words;
    return sim_chip_save(field->chip, field->path, NULL) == BASE_OK && printf("ok\n") > 0;
}

static bool execute(struct field *field, const struct words *words)
{
    static const struct {
        const char *name;
        bool (*run)(struct field *field, const struct words *words);
    } verbs[] = {
        { "power", do_power },
        { "hear", do_hear },
        { "tell", do_tell },
        { "cut", do_cut },
        { "keep", do_keep },
        { "back", do_back },
        { "operations", do_operations },
        { "find", do_find },
        { "port", do_port },
        { "fits", do_fits },
        { "save", do_save },
    };

    for (size_t i = 0; words->count > 0 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(words->word[0], verbs[i].name) == 0)
            return verbs[i].run(field, words) && fflush(stdout) == 0;
    }
    return false;
}

static enum base_status open_board(struct field *field, const char *unique_id, struct base_err *err)
{
    struct sim_chip_opts opts = { .trng_seed = 0 };
    enum base_status status;

    if (base_hex_decode(unique_id, sizeof(opts.unique_id), opts.unique_id, NULL) != BASE_OK)
        return base_err_set(err, BASE_E_ARG, "field", 0, "a unique id has 16 hexadecimal digits");
    status = base_random_fill(
        base_random_system(), (uint8_t *)&opts.trng_seed, sizeof(opts.trng_seed), err);
    if (status == BASE_OK)
        status = sim_chip_new(&opts, &field->chip, err);
    return status == BASE_OK ? sim_chip_load(field->chip, field->path, err) : status;
}

int main(int argc, char **argv)
{
    struct field field = { .path = argc == 3 ? argv[1] : NULL };
    struct base_err err = { 0 };
    char line[LINE_MAX_BYTES];
    int code = 0;

    if (argc != 3 || open_board(&field, argv[2], &err) != BASE_OK) {
        (void)fprintf(
            stderr, "field-board: %s\n", argc == 3 ? err.message : "BOARD-FILE UNIQUE-ID");
        return 2;
    }
    while (code == 0 && fgets(line, sizeof(line), stdin) != NULL) {
        struct words words = { .count = 0 };
        char *rest = NULL;

        for (char *word = strtok_r(line, " \n", &rest); word != NULL && words.count < 4;
             word = strtok_r(NULL, " \n", &rest))
            words.word[words.count++] = word;
        if (!execute(&field, &words)) {
            (void)fprintf(stderr, "field-board: cannot do: %s\n", words.count > 0 ? line : "");
            code = 2;
        }
    }
    sim_chip_free(field.kept);
    sim_chip_free(field.chip);
    return code;
}
