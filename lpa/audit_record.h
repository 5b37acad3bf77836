/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_AUDIT_RECORD_H
#define LPA_AUDIT_RECORD_H

/**
 * @file
 * Records of the audit log as canonical JSON (RFC 8785, restricted: printable ASCII, whole numbers,
 * no arrays, no null): writing one, and reading one in a single pass without a tree. Format: man
 * lpa-log(5).
 */

#include "base/buf.h"
#include "lpa/event.h"

#define LPA_AUDIT_RECORD_MAX   8192U /**< bytes, newline not counted */
#define LPA_AUDIT_VERSION      1
#define LPA_AUDIT_ID_HMAC_SIZE 32

/** What the log itself adds to an event. All pointers borrowed. */
struct lpa_audit_frame {
    const char *origin;                /**< name of the log */
    const char *station;               /**< station name */
    const char *software;              /**< program version */
    const char *boot;                  /**< id of this boot of the machine */
    const char *actor_kind;            /**< "tester" or "station" */
    const uint8_t *actor_id;           /**< 32 bytes, NULL where no tester is logged in */
    const uint8_t *certificate_sha256; /**< 32 bytes, may be NULL */
    const uint8_t *prev;               /**< 32 bytes: SHA-256 of the record before; zeros at 0 */
    uint64_t seq;
    int64_t wall_us, mono_us;
    bool have_offset;
    int64_t offset_ms; /**< KMS time minus station time, as measured last */
};

/**
 * Append one record without its newline.
 *
 * Text that is not printable ASCII is written with "?" in its place, so that nothing a device or
 * server sends can break the form of a record.
 *
 * @return BASE_OK; BASE_E_ARG: unknown event, or a record above LPA_AUDIT_RECORD_MAX; BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status lpa_audit_record_format(const struct lpa_audit_frame *frame,
    const struct lpa_event *event, struct base_buf *record, struct base_err *err);

/** X(member of struct lpa_audit_fields, path), in the order of a canonical record. */
#define LPA_AUDIT_FIELD_LIST(X)                                                                    \
    X(actor_certificate, "actor.cert_sha256")                                                      \
    X(actor_id, "actor.id_hmac")                                                                   \
    X(actor_kind, "actor.kind")                                                                    \
    X(boot, "boot")                                                                                \
    X(application_sha256, "device.application_sha256")                                             \
    X(image_sha256, "device.bootloader_sha256")                                                    \
    X(bootloader_version, "device.bootloader_version")                                             \
    X(chip_id, "device.chip_id")                                                                   \
    X(dev_eui, "device.dev_eui")                                                                   \
    X(join_eui, "device.join_eui")                                                                 \
    X(lifecycle, "device.lifecycle")                                                               \
    X(public_key_sha256, "device.pubkey_sha256")                                                   \
    X(trust, "device.trust")                                                                       \
    X(ev, "ev")                                                                                    \
    X(log, "log")                                                                                  \
    X(attempt, "lot.attempt")                                                                      \
    X(lot, "lot.id")                                                                               \
    X(prev, "prev")                                                                                \
    X(probe_firmware, "probe.firmware")                                                            \
    X(probe_product, "probe.product")                                                              \
    X(probe_serial, "probe.serial")                                                                \
    X(site, "probe.url")                                                                           \
    X(probe_vendor, "probe.vendor")                                                                \
    X(envelope_sha256, "ref.envelope_sha256")                                                      \
    X(grant_id, "ref.grant_id")                                                                    \
    X(key_version, "ref.key_version")                                                              \
    X(permit_id, "ref.permit_id")                                                                  \
    X(receipt_sha256, "ref.receipt_sha256")                                                        \
    X(record_sha256, "ref.record_sha256")                                                          \
    X(code, "res.code")                                                                            \
    X(result, "res.result")                                                                        \
    X(step, "res.step")                                                                            \
    X(seq, "seq")                                                                                  \
    X(skew_ms, "skew_ms")                                                                          \
    X(station, "station.id")                                                                       \
    X(software, "station.software")                                                                \
    X(mono, "t_mono")                                                                              \
    X(wall, "t_wall")                                                                              \
    X(version, "v")                                                                                \
    X(why, "why")                                                                                  \
    X(statement_sha256, "x.statement_sha256")                                                      \
    X(text, "x.text")

/** A value as it stands in the record: text without its quotes (escapes kept), digits of a number.
 */
struct lpa_span {
    const char *data; /**< borrows the record; NULL where the member is missing */
    size_t length;
};

struct lpa_audit_fields {
#define X(member, path) struct lpa_span member;
    LPA_AUDIT_FIELD_LIST(X)
#undef X
};

/**
 * Read one record and prove that its bytes are canonical: names sorted and unique, shortest forms,
 * no space, every member known, every value of its own kind.
 *
 * @return BASE_OK; BASE_E_CORRUPT with the offset of the first fault in err->detail
 */
BASE_MUST_CHECK
enum base_status lpa_audit_record_scan(
    const char *record, size_t length, struct lpa_audit_fields *ret_fields, struct base_err *err);

/** True when the span is exactly this text. */
bool lpa_span_is(struct lpa_span span, const char *text);

/** Number of a digits span; false when it is missing, signed or above 2^53 - 1. */
bool lpa_span_number(struct lpa_span span, uint64_t *ret_value);

/** The 32 bytes of a base64url span of 43 characters. */
bool lpa_span_hash(struct lpa_span span, uint8_t ret_hash[32]);

/** The bytes of a hexadecimal span of exactly 2 * @p length digits. */
bool lpa_span_hex(struct lpa_span span, size_t length, uint8_t *ret_data);

/** Copy with escapes taken out and a NUL; cut where it does not fit. */
void lpa_span_text(struct lpa_span span, size_t size, char *ret_text);

#endif
