/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/hid_report.h"

#include <string.h>

/* Item prefixes without their size bits (HID 1.11 §6.2.2.4 to 8). */
#define ITEM_INPUT        0x80U
#define ITEM_OUTPUT       0x90U
#define ITEM_COLLECTION   0xA0U
#define ITEM_USAGE_PAGE   0x04U
#define ITEM_REPORT_SIZE  0x74U
#define ITEM_REPORT_ID    0x84U
#define ITEM_REPORT_COUNT 0x94U
#define ITEM_PUSH         0xA4U
#define ITEM_POP          0xB4U
#define ITEM_USAGE        0x08U
#define ITEM_LONG         0xFEU
#define APPLICATION       1U
#define MAX_PUSHED        4U
#define MAX_BITS          (65536U * 8U)

struct globals {
    uint32_t page, size, count;
    uint8_t id;
};

struct parser {
    struct globals now;
    struct globals pushed[MAX_PUSHED];
    unsigned depth;
    uint32_t usage;
    bool has_usage, has_collection;
    uint32_t input_bits[256], output_bits[256]; /* by report id */
    struct prg_hid_report *report;
};

/* Bytes, but for a field that overflows what can be told. */
static bool add_bits(uint32_t *bits, const struct globals *now)
{
    uint64_t sum = *bits + (uint64_t)now->size * now->count;
    if (sum > MAX_BITS) {
        return false;
    }
    *bits = (uint32_t)sum;
    return true;
}

/* Usages of page 1 that a person's hands would make: pointer, mouse, keyboard, keypad, system
 * control. */
static bool is_for_a_person(uint16_t page, uint16_t usage)
{
    bool desktop = usage == 1 || usage == 2 || usage == 6 || usage == 7 || usage == 0x80;
    return (page == PRG_HID_PAGE_DESKTOP && desktop) || page == PRG_HID_PAGE_CONSUMER;
}

static void take_collection(struct parser *parser, uint32_t kind)
{
    struct prg_hid_report *report = parser->report;
    /* A usage of four bytes carries its own page. */
    uint16_t page = (uint16_t)(parser->usage > 0xFFFFU ? parser->usage >> 16 : parser->now.page);
    uint16_t usage = (uint16_t)parser->usage;
    if (kind != APPLICATION) {
        return;
    }
    if (!parser->has_collection) {
        report->usage_page = page;
        report->usage = usage;
        parser->has_collection = true;
    }
    report->acts_for_a_person = report->acts_for_a_person || is_for_a_person(page, usage);
}

static bool take_global(struct parser *parser, uint8_t tag, uint32_t value)
{
    switch (tag) {
    case ITEM_USAGE_PAGE:
        parser->now.page = value;
        return value <= 0xFFFFU;
    case ITEM_REPORT_SIZE:
        parser->now.size = value;
        return true;
    case ITEM_REPORT_COUNT:
        parser->now.count = value;
        return true;
    case ITEM_REPORT_ID:
        parser->now.id = (uint8_t)value;
        parser->report->has_ids = true;
        return value >= 1 && value <= 255;
    case ITEM_PUSH:
        if (parser->depth == MAX_PUSHED) {
            return false;
        }
        parser->pushed[parser->depth++] = parser->now;
        return true;
    case ITEM_POP:
        if (parser->depth == 0) {
            return false;
        }
        parser->now = parser->pushed[--parser->depth];
        return true;
    default:
        return true;
    }
}

static bool take_item(struct parser *parser, uint8_t tag, uint32_t value)
{
    bool ok = true;
    switch (tag & 0x0CU) {
    case 0x04U:
        return take_global(parser, tag, value);
    case 0x08U:
        /* The first usage names a collection. */
        if (tag == ITEM_USAGE && !parser->has_usage) {
            parser->usage = value;
            parser->has_usage = true;
        }
        return true;
    default:
        break;
    }
    if (tag == ITEM_INPUT) {
        ok = add_bits(&parser->input_bits[parser->now.id], &parser->now);
    } else if (tag == ITEM_OUTPUT) {
        ok = add_bits(&parser->output_bits[parser->now.id], &parser->now);
    } else if (tag == ITEM_COLLECTION) {
        take_collection(parser, value);
    }
    parser->has_usage = false;
    parser->usage = 0;
    return ok;
}

static bool walk(struct parser *parser, const uint8_t *desc, size_t length)
{
    for (size_t at = 0; at < length;) {
        uint8_t prefix = desc[at];
        size_t size = (prefix & 3U) == 3 ? 4 : prefix & 3U;
        size_t skip = 0;
        if (prefix == ITEM_LONG) {
            if (length - at < 3) {
                return false;
            }
            size = 0;
            skip = 2 + (size_t)desc[at + 1];
        }
        if (length - at < 1 + size + skip) {
            return false;
        }
        uint32_t value = 0;
        for (size_t i = 0; i < size; i++) {
            value |= (uint32_t)desc[at + 1 + i] << (8 * i);
        }
        if (prefix != ITEM_LONG && !take_item(parser, prefix & 0xFCU, value)) {
            return false;
        }
        at += 1 + size + skip;
    }
    return true;
}

bool prg_hid_report_parse(const uint8_t *desc, size_t length, struct prg_hid_report *ret_report)
{
    struct prg_hid_report report = { .input_bytes = 0 };
    struct parser parser = { .report = &report };
    if (!walk(&parser, desc, length)) {
        return false;
    }
    for (unsigned i = 0; i < 256; i++) {
        uint32_t in = (parser.input_bits[i] + 7) / 8;
        uint32_t out = (parser.output_bits[i] + 7) / 8;
        report.input_bytes = in > report.input_bytes ? in : report.input_bytes;
        report.output_bytes = out > report.output_bytes ? out : report.output_bytes;
    }
    *ret_report = report;
    return true;
}
