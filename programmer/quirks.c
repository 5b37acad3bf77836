/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/quirks.h"

#include <string.h>

/* Sources: vendor firmware and issue threads of the projects named; USB ids as OpenOCD and pyOCD
 * list them. First fitting row counts. */
static const struct prg_quirk table[] = {
    { .vendor_id = 0x04B4, .product_id = 0xF151, .model = "MiniProg4", .kitprog = true },
    { .vendor_id = 0x04B4, .product_id = 0xF152, .model = "MiniProg4", .kitprog = true },
    { .vendor_id = 0x04B4, .product_id = 0xF154, .model = "KitProg3", .kitprog = true },
    { .vendor_id = 0x04B4, .product_id = 0xF155, .model = "KitProg3", .kitprog = true },
    { .vendor_id = 0x04B4, .product_id = 0xF166, .model = "KitProg3", .kitprog = true },
    { .vendor_id = 0x04B4, .product_id = 0xF168, .model = "KitProg3", .kitprog = true },
    { .vendor_id = 0x04B4, .product_id = 0xF169, .model = "KitProg3", .kitprog = true },
    { .vendor_id = 0x04B4, .product_id = 0xF16A, .model = "KitProg3", .kitprog = true },
    { .vendor_id = 0x04B4, .model = "KitProg2", .max_in_flight = 1 },
    /* Boards with a KL25 claim five buffers and drop packets; the USB id does not tell boards. */
    { .vendor_id = 0x0D28, .product_id = 0x0204, .model = "DAPLink", .max_in_flight = 1 },
    { .vendor_id = 0x1FC9, .product_id = 0x0090, .model = "LPC-Link2", .max_in_flight = 4 },
    { .vendor_id = 0x1FC9, .product_id = 0x0143, .model = "MCU-Link", .max_in_flight = 4 },
    /* Edbg's firmware: OpenOCD's quirk mode. */
    { .vendor_id = 0x03EB,
        .model = "EDBG",
        .max_in_flight = 1,
        .reconnect = true,
        .loses_clock = true },
    /* Before 2.3.1 packets were joined or lost. */
    { .vendor_id = 0x2E8A,
        .product_id = 0x000C,
        .model = "debugprobe",
        .max_in_flight = 4,
        .min_release = 0x0231 },
    { .vendor_id = 0x2E8A,
        .product_id = 0x0004,
        .model = "picoprobe",
        .refused = "it loses packets; load debugprobe 2.3.1 or later into it" },
    { .vendor_id = 0xC251,
        .product_id = 0x2710,
        .model = "ULINK-ME",
        .max_in_flight = 1,
        .reconnect = true },
    { .vendor_id = 0x0451,
        .product_id = 0xBEF3,
        .model = "XDS110",
        .refused = "its firmware answers transfers wrongly; use another probe" },
    /* The id that pid.codes gives for tests: a simulated probe. */
    { .vendor_id = 0x1209, .product_id = 0x0001, .model = "simulated" },
};

const struct prg_quirk *prg_quirk_find(const struct prg_cable *cable)
{
    static const struct prg_quirk believed = { .model = "any" };
    static const struct prg_quirk unknown = { .model = "unknown", .max_in_flight = 1 };
    if (cable->vendor_id == 0) {
        return &believed;
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].vendor_id == cable->vendor_id &&
            (table[i].product_id == 0 || table[i].product_id == cable->product_id)) {
            return &table[i];
        }
    }
    return &unknown;
}

const struct prg_quirk *prg_quirk_find_product(
    const char *product, const struct prg_quirk *otherwise)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].kitprog && strncmp(product, table[i].model, strlen(table[i].model)) == 0) {
            return &table[i];
        }
    }
    return otherwise;
}

enum base_status prg_quirk_check(
    const struct prg_quirk *quirk, const struct prg_cable *cable, struct base_err *err)
{
    if (quirk->refused != NULL) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "probe", cable->product_id,
            "this %s is not used: %s", quirk->model, quirk->refused);
    }
    if (cable->release < quirk->min_release) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "probe", cable->release,
            "this %s has firmware %x.%02x, which loses packets; load %x.%02x or later",
            quirk->model, (unsigned)(cable->release >> 8), (unsigned)(cable->release & 0xFFU),
            (unsigned)(quirk->min_release >> 8), (unsigned)(quirk->min_release & 0xFFU));
    }
    return BASE_OK;
}
