/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_QUIRKS_H
#define PRG_QUIRKS_H

/** @file What is known of single models of probes, in one table; internal to programmer/. */

#include "programmer/transport.h"

struct prg_quirk {
    uint16_t vendor_id;
    uint16_t product_id; /**< 0 = every other one of this vendor */
    const char *model;
    uint8_t max_in_flight; /**< packets; 0 = as many as the probe claims to buffer */
    uint16_t min_release;  /**< bcdDevice; an older one is refused */
    bool kitprog;          /**< answers the vendor commands of KitProg3 */
    bool reconnect;        /**< wants DAP_Disconnect and DAP_Connect before a switch sequence */
    bool loses_clock;      /**< forgets the clock with every SWJ_Sequence */
    const char *refused;   /**< why it is not used at all; NULL = it is */
};

/** The row for the probe at the end of a cable; never NULL. A model that is not listed gets one
 * packet in flight: some claim more buffers than they have. What has no USB id is believed. */
const struct prg_quirk *prg_quirk_find(const struct prg_cable *cable);

/** The row for a probe behind a cable without USB ids (TCP) that calls itself by a product name
 * which begins with a model's name; @p otherwise when there is none. Only models that answer
 * vendor commands are told by name. */
const struct prg_quirk *prg_quirk_find_product(
    const char *product, const struct prg_quirk *otherwise);

/** BASE_OK; BASE_E_UNSUPPORTED with the reason and what to do. */
BASE_MUST_CHECK
enum base_status prg_quirk_check(
    const struct prg_quirk *quirk, const struct prg_cable *cable, struct base_err *err);

#endif
