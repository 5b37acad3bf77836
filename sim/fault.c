/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum form {
    FORM_NUMBER,        /* N */
    FORM_NUMBER_AMOUNT, /* N:AMOUNT */
    FORM_CUT,           /* OP:WHEN[:PATTERN] */
};

static const struct row {
    const char *name;
    enum sim_fault_kind kind;
    enum form form;
    const char *arguments;
} rows[] = {
    { "cut-request", SIM_FAULT_CUT_REQUEST, FORM_NUMBER, "N" },
    { "cut-reply", SIM_FAULT_CUT_REPLY, FORM_NUMBER, "N" },
    { "lose", SIM_FAULT_LOSE, FORM_NUMBER, "N" },
    { "late", SIM_FAULT_LATE, FORM_NUMBER_AMOUNT, "N:MS" },
    { "short", SIM_FAULT_SHORT, FORM_NUMBER_AMOUNT, "N:BYTES" },
    { "long", SIM_FAULT_LONG, FORM_NUMBER_AMOUNT, "N:BYTES" },
    { "empty", SIM_FAULT_EMPTY, FORM_NUMBER, "N" },
    { "duplicate", SIM_FAULT_DUPLICATE, FORM_NUMBER, "N" },
    { "stale", SIM_FAULT_STALE, FORM_NUMBER, "N" },
    { "swap", SIM_FAULT_SWAP, FORM_NUMBER, "N" },
    { "wrong-id", SIM_FAULT_WRONG_ID, FORM_NUMBER, "N" },
    { "nak", SIM_FAULT_NAK, FORM_NUMBER_AMOUNT, "N:MS" },
    { "stall-out", SIM_FAULT_STALL_OUT, FORM_NUMBER, "N" },
    { "stall-in", SIM_FAULT_STALL_IN, FORM_NUMBER, "N" },
    { "left-over", SIM_FAULT_LEFT_OVER, FORM_NUMBER, "COUNT" },
    { "flip-bit", SIM_FAULT_FLIP_BIT, FORM_NUMBER_AMOUNT, "N:BIT" },
    { "bit-errors", SIM_FAULT_BIT_ERRORS, FORM_NUMBER_AMOUNT, "PPB:SEED" },
    { "wait", SIM_FAULT_WAIT, FORM_NUMBER_AMOUNT, "N:TIMES" },
    { "fault", SIM_FAULT_FAULT, FORM_NUMBER, "N" },
    { "no-ack", SIM_FAULT_NO_ACK, FORM_NUMBER_AMOUNT, "N:TIMES" },
    { "stuck-low", SIM_FAULT_STUCK_LOW, FORM_NUMBER_AMOUNT, "N:TIMES" },
    { "write-fault", SIM_FAULT_WRITE_FAULT, FORM_NUMBER, "N" },
    { "power-cut", SIM_FAULT_POWER_CUT, FORM_CUT, "OP:before|during|after[:PATTERN]" },
    { "power-cut-clock", SIM_FAULT_POWER_CUT_CLOCK, FORM_NUMBER, "N" },
    { "power-cut-instruction", SIM_FAULT_POWER_CUT_INSTRUCTION, FORM_NUMBER, "N" },
    { "flash-time", SIM_FAULT_FLASH_TIME, FORM_NUMBER, "PERCENT" },
};

static const struct row *find_row(const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, text, length) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

/* A number up to the end of the text or to a colon, which is skipped. */
static bool take_number(const char **text, uint64_t *ret_value)
{
    char *end = NULL;
    if (**text < '0' || **text > '9') {
        return false;
    }
    errno = 0;
    unsigned long long value = strtoull(*text, &end, 0);
    if (errno != 0 || (*end != '\0' && (*end != ':' || end[1] == '\0'))) {
        return false;
    }
    *text = *end == ':' ? end + 1 : end;
    *ret_value = value;
    return true;
}

static bool take_when(const char **text, enum sim_cut_when *ret_when)
{
    static const struct {
        const char *word;
        enum sim_cut_when when;
    } words[] = {
        { "before", SIM_CUT_BEFORE },
        { "during", SIM_CUT_DURING },
        { "after", SIM_CUT_AFTER },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t length = strlen(words[i].word);
        if (strncmp(*text, words[i].word, length) != 0) {
            continue;
        }
        char after = (*text)[length];
        if (after == '\0' || (after == ':' && (*text)[length + 1] != '\0')) {
            *text += length + (after == ':' ? 1 : 0);
            *ret_when = words[i].when;
            return true;
        }
    }
    return false;
}

static bool parse_arguments(const struct row *row, const char *text, struct sim_fault *ret_fault)
{
    struct sim_fault fault = { .kind = row->kind };
    if (!take_number(&text, &fault.number) || fault.number == 0) {
        return false;
    }
    if (row->form == FORM_NUMBER_AMOUNT && !take_number(&text, &fault.amount)) {
        return false;
    }
    if (row->form == FORM_CUT &&
        (!take_when(&text, &fault.when) || (*text != '\0' && !take_number(&text, &fault.amount)))) {
        return false;
    }
    if (*text != '\0' || fault.amount > UINT32_MAX) {
        return false;
    }
    *ret_fault = fault;
    return true;
}

bool sim_fault_is_single(enum sim_fault_kind kind)
{
    return kind == SIM_FAULT_BIT_ERRORS || kind >= SIM_FAULT_POWER_CUT;
}

enum base_status sim_fault_parse(
    const char *text, struct sim_fault *ret_fault, struct base_err *err)
{
    const char *equals = strchr(text, '=');
    const struct row *row = equals != NULL ? find_row(text, (size_t)(equals - text)) : NULL;
    if (row == NULL) {
        return base_err_set(err, BASE_E_ARG, "sim", 0,
            "\"%s\" is no fault; lpa-sim(1) lists them, for example cut-reply=N or late=N:MS",
            text);
    }
    if (!parse_arguments(row, equals + 1, ret_fault)) {
        return base_err_set(err, BASE_E_ARG, "sim", 0, "\"%s\" is not written %s=%s", text,
            row->name, row->arguments);
    }
    return BASE_OK;
}
