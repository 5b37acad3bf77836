/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_HID_REPORT_H
#define PRG_HID_REPORT_H

/** @file What a HID report descriptor (HID 1.11 §6.2.2) says about a probe; pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRG_HID_PAGE_DESKTOP  0x01U /**< keyboards, mice, … */
#define PRG_HID_PAGE_CONSUMER 0x0CU
#define PRG_HID_PAGE_VENDOR   0xFF00U /**< 0xFF00 … 0xFFFF */

struct prg_hid_report {
    uint32_t input_bytes;  /**< of the largest input report, without an id */
    uint32_t output_bytes; /**< of the largest output report, without an id */
    bool has_ids;
    uint16_t usage_page; /**< of the first application collection */
    uint16_t usage;
    bool acts_for_a_person; /**< some collection is a keyboard, pointer or media key */
};

/**
 * @param desc  as the kernel gives it; not trusted
 * @return false: malformed, nested too deep, or reports beyond 64 KiB
 */
bool prg_hid_report_parse(const uint8_t *desc, size_t length, struct prg_hid_report *ret_report);

#endif
