/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_MAILBOX_H
#define LPA_MAILBOX_H

/**
 * @file
 * The station's side of the bootloader's mailbox (device-fw/protocol/mailbox.h), through the SYS-AP
 * or, where that is closed, the CM0-AP.
 *
 * One command costs two round trips: everything, the sequence number last, with the probe itself
 * polling for the answer; then the answer is read. Both directions are checked by CRC-32. A command
 * whose outcome is unknown may be asked again: lpa_mailbox_call() with the same command and payload
 * keeps its sequence number as long as the chip has not been reset, and the device then answers
 * again instead of executing again.
 */

#include "device-fw/protocol/mailbox.h"
#include "programmer/link.h"

struct lpa_mailbox;

/**
 * Find the bootloader: switch the port to SWD, power it up, and wait for the mailbox's magic word.
 * The target is not reset.
 *
 * SRAM outlives a reset, so the magic word alone proves nothing: one hello is exchanged as well.
 *
 * @param timeout_ms  budget; > 0. It counts time on the wire, so that a slow host does not shorten
 * the target's chance
 * @return BASE_OK; BASE_E_TIMEOUT: code "swd_silent" (nothing answers), "port_closed" (the debug
 * port answers, no access port does), "no_mailbox" (memory reads, no magic) or "unknown" (5 s more
 * did not end an earlier command); BASE_E_UNSUPPORTED: another mailbox version; BASE_E_LINK,
 * BASE_E_PROTO: the probe
 */
BASE_MUST_CHECK
enum base_status lpa_mailbox_open(struct prg_link *link, uint32_t timeout_ms,
    struct lpa_mailbox **ret_mailbox, struct base_err *err);

/** Accepts NULL. The target is not touched. */
void lpa_mailbox_close(struct lpa_mailbox *mailbox);

/**
 * Carry out one command.
 *
 * @param command      enum proto_command
 * @param payload      @p length bytes, at most PROTO_MAILBOX_PAYLOAD_SIZE; NULL when 0
 * @param timeout_ms   budget for the device's work, counted on the wire; 0 = 5000
 * @param size         room in @p ret_answer
 * @param[out] ret_status  enum proto_status of the device: a refusal is an outcome, not an error.
 * PROTO_BAD_CRC here means the line garbled the command more than once
 * @param[out] ret_answer  payload; may be NULL when @p size is 0
 * @return BASE_OK: the device answered; BASE_E_ARG; BASE_E_TIMEOUT, BASE_E_LINK, BASE_E_TARGET,
 * BASE_E_PROTO with err->code "unknown": the device may or may not have acted, ask again;
 * BASE_E_LINK with err->code "reset": the device was reset since open, open again;
 * BASE_E_CORRUPT: the answer fails its CRC twice
 */
BASE_MUST_CHECK
enum base_status lpa_mailbox_call(struct lpa_mailbox *mailbox, uint32_t command,
    const uint8_t *payload, size_t length, uint32_t timeout_ms, size_t size, uint32_t *ret_status,
    uint8_t *ret_answer, size_t *ret_length, struct base_err *err);

/** The word that differs after each reset of the device, as read at open. */
uint32_t lpa_mailbox_boot_word(const struct lpa_mailbox *mailbox);

/** Access port in use: 0 SYS-AP, 1 CM0-AP. */
unsigned lpa_mailbox_ap(const struct lpa_mailbox *mailbox);

#endif
