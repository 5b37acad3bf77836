/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's work on lots. */
#include <string.h>

#include "base/hash.h"
#include "device-fw/protocol/image.h"
#include "kms/admin_private.h"

#define CHIP_NAME "psoc6-ble2"
#define UNITS_MAX INT64_C(1000000)

#define SIGNATURE_SIZE          256U  /* RSA-2048 */
#define KEY_OBJECT_SIZE         1096U /* public key as the chip's ROM wants it */
#define APPLICATION_MAGIC       0x96F3B83DU
#define APPLICATION_HEADER_SIZE 32U

/* A shift uses the allowance up evenly; a small lot is not held up. */
#define RATE_SHIFT_HOURS 8
#define RATE_LEAST       60

static bool names_authority(const struct proto_binding *binding, const struct kms_home *home)
{
    for (int i = 0; i < 2; i++) {
        if (memcmp(binding->authority_key[i], home->keys.authority.public_key,
                PROTO_PUBLIC_KEY_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

/* A signed image carries its signature behind what its header counts. */
static enum base_status decode_image(
    const struct kms_lot_request *request, struct proto_image *ret_image, struct base_err *err)
{
    size_t length = request->image_length;
    bool is_signed = length > PROTO_IMAGE_CODE_OFFSET + SIGNATURE_SIZE &&
                     base_get_le32(request->image) == length - SIGNATURE_SIZE;
    length -= is_signed ? SIGNATURE_SIZE : 0;
    enum proto_status decoded = proto_image_decode(request->image, length, ret_image);
    if (decoded != PROTO_OK) {
        return base_err_set(err, BASE_E_VERIFY, "image", (int64_t)decoded,
            "the image is not a whole device image (%s): give the file that lpa-image wrote",
            proto_status_text(decoded));
    }
    if (!is_signed && request->restrict_policy == KMS_RESTRICT_SECURE) {
        return base_err_set(err, BASE_E_VERIFY, "image", 0,
            "the image is not signed, and a restricted chip starts no such image: give the file "
            "that lpa-image sign wrote");
    }
    return BASE_OK;
}

static enum base_status check_flags(const struct kms_home *home,
    const struct kms_lot_request *request, const struct proto_binding *binding,
    struct base_err *err)
{
    if ((binding->flags & PROTO_FLAG_LAB) != 0 && !home->config.development) {
        return base_err_set(err, BASE_E_DENIED, "image", 0,
            "the image has the lab flag and this KMS is not a development one: bind it without "
            "--lab");
    }
    if ((binding->flags & PROTO_FLAG_LAB) != 0 && request->restrict_policy != KMS_RESTRICT_NONE) {
        return base_err_set(err, BASE_E_DENIED, "image", 0,
            "the image has the lab flag, which says that it works with its debug port open: a "
            "restricted lot needs one that was bound without --lab");
    }
    return BASE_OK;
}

/* The floors are the higher ones of image and request; the image itself must not lie below. */
static enum base_status take_floors(const struct kms_lot_request *request,
    const struct proto_binding *binding, struct kms_lot *lot, struct base_err *err)
{
    lot->min_bootloader = request->min_bootloader > (int64_t)binding->minimum_bootloader
                              ? request->min_bootloader
                              : (int64_t)binding->minimum_bootloader;
    lot->min_protocol = request->min_protocol > (int64_t)binding->minimum_protocol
                            ? request->min_protocol
                            : (int64_t)binding->minimum_protocol;
    if ((int64_t)binding->bootloader_version < lot->min_bootloader) {
        return base_err_set(err, BASE_E_VERIFY, "image", (int64_t)binding->bootloader_version,
            "the image's version %u.%u.%u is below the lot's floor: give a newer image",
            binding->bootloader_version >> 24, binding->bootloader_version >> 16 & 0xFFU,
            binding->bootloader_version & 0xFFFFU);
    }
    if (lot->min_protocol > PROTO_VERSION) {
        return base_err_set(err, BASE_E_ARG, "image", lot->min_protocol,
            "the lot's floor for the protocol is %lld, and this program speaks %u",
            (long long)lot->min_protocol, PROTO_VERSION);
    }
    return BASE_OK;
}

static enum base_status check_image(const struct kms_home *home,
    const struct kms_lot_request *request, struct kms_lot *lot, struct base_err *err)
{
    struct proto_image image;
    uint8_t digest[32];
    enum base_status status = decode_image(request, &image, err);
    if (status != BASE_OK) {
        return status;
    }
    base_sha256(image.binding_bytes, PROTO_BINDING_HASH_AT, digest);
    if (memcmp(digest, image.binding_bytes + PROTO_BINDING_HASH_AT, sizeof(digest)) != 0 ||
        !names_authority(&image.binding, home)) {
        return base_err_set(err, BASE_E_VERIFY, "image", 0,
            "the image is not bound to this KMS: bind it with the key that lpa-kms authority "
            "prints");
    }
    status = check_flags(home, request, &image.binding, err);
    return status == BASE_OK ? take_floors(request, &image.binding, lot, err) : status;
}

static enum base_status check_restriction(
    const struct kms_home *home, const struct kms_lot_request *request, struct base_err *err)
{
    if (request->restrict_policy == KMS_RESTRICT_NONE) {
        if (!home->config.development) {
            return base_err_set(err, BASE_E_DENIED, "lot", 0,
                "a chip whose debug port is open gives its keys away: this KMS is not a "
                "development one and takes --restrict secure alone");
        }
        if (request->lock_policy != KMS_LOCK_NONE) {
            return base_err_set(err, BASE_E_DENIED, "lot", 0,
                "a lock without restriction keeps nobody out: say --restrict secure besides "
                "--lock");
        }
        if (request->trust == KMS_TRUST_ATTESTED) {
            return base_err_set(err, BASE_E_DENIED, "lot", 0,
                "trust attested is about chips that were restricted: say --restrict secure");
        }
        if (request->image_key != NULL || request->secure_hash != NULL) {
            return base_err_set(err, BASE_E_ARG, "lot", 0,
                "--image-key and --secure-hash belong to --restrict secure");
        }
        return BASE_OK;
    }
    if (request->image_key == NULL || request->image_key_length != KEY_OBJECT_SIZE) {
        return base_err_set(err, BASE_E_ARG, "lot", (int64_t)request->image_key_length,
            "a restricted lot needs --image-key with the key object of %u bytes that lpa-image key "
            "wrote",
            KEY_OBJECT_SIZE);
    }
    if (request->secure_hash == NULL) {
        return base_err_set(err, BASE_E_ARG, "lot", 0,
            "a restricted lot needs --secure-hash with what lpa-image secure-hash prints");
    }
    return BASE_OK;
}

static enum base_status check_policy(
    const struct kms_home *home, const struct kms_lot_request *request, struct base_err *err)
{
    if (request->trust == KMS_TRUST_TOFU && (!request->consent_tofu || !home->config.development)) {
        return base_err_set(err, BASE_E_DENIED, "lot", 0,
            "trust tofu lets a station that lies take keys up to the allowance: say --consent-tofu "
            "to accept that, or use --trust manifest");
    }
    return check_restriction(home, request, err);
}

/* MCUboot's header, little-endian: 0 magic | 20 version: major u8, minor u8, revision u16. */
static enum base_status read_application(
    const struct kms_lot_request *request, struct kms_lot *lot, struct base_err *err)
{
    const uint8_t *bytes = request->application;
    if (bytes == NULL) {
        return BASE_OK;
    }
    if (request->application_length < APPLICATION_HEADER_SIZE ||
        base_get_le32(bytes) != APPLICATION_MAGIC) {
        return base_err_set(err, BASE_E_VERIFY, "application", 0,
            "the application is no image in MCUboot's format: give the file that lpa-image "
            "app-sign wrote");
    }
    lot->application_version = (int64_t)bytes[20] << 24 | (int64_t)bytes[21] << 16 |
                               (int64_t)bytes[23] << 8 | (int64_t)bytes[22];
    base_sha256(bytes, request->application_length, lot->application_sha256);
    return BASE_OK;
}

static enum base_status check_numbers(
    const struct kms_lot_request *request, int64_t now_us, struct base_err *err)
{
    if (request->target < 1 || request->target > UNITS_MAX) {
        return base_err_set(err, BASE_E_ARG, "lot", request->target,
            "the target is 1 to %lld good units", (long long)UNITS_MAX);
    }
    if (request->allowance < request->target || request->allowance > UNITS_MAX) {
        return base_err_set(err, BASE_E_ARG, "lot", request->allowance,
            "the allowance of grants is at least the target (%lld) and at most %lld",
            (long long)request->target, (long long)UNITS_MAX);
    }
    if (request->deveui_count < request->allowance || request->deveui_count > UNITS_MAX ||
        request->deveui_first > UINT64_MAX - (uint64_t)request->deveui_count) {
        return base_err_set(err, BASE_E_ARG, "lot", request->deveui_count,
            "a range of %lld DevEUIs from %016llx does not do: it needs one for each of the %lld "
            "grants allowed, and must end below the last EUI",
            (long long)request->deveui_count, (unsigned long long)request->deveui_first,
            (long long)request->allowance);
    }
    if (request->rate < KMS_RATE_DEFAULT || request->rate > UNITS_MAX ||
        (request->rate == 0 && request->trust == KMS_TRUST_TOFU)) {
        return base_err_set(err, BASE_E_ARG, "lot", request->rate,
            "the rate is 1 to %lld grants an hour; only a lot that is not of trust tofu may have "
            "0, no limit",
            (long long)UNITS_MAX);
    }
    if (request->lorawan != PROTO_LORAWAN_1_0 && request->lorawan != PROTO_LORAWAN_1_1) {
        return base_err_set(
            err, BASE_E_ARG, "lot", request->lorawan, "the LoRaWAN version is 1.0.4 or 1.1");
    }
    if (request->expires_us <= now_us) {
        return base_err_set(
            err, BASE_E_ARG, "lot", 0, "the lot's end lies in the past; say for example +30d");
    }
    return BASE_OK;
}

static int64_t rate_of(const struct kms_lot_request *request)
{
    if (request->rate != KMS_RATE_DEFAULT) {
        return request->rate;
    }
    if (request->trust != KMS_TRUST_TOFU) {
        return 0;
    }
    int64_t rate = (request->allowance + RATE_SHIFT_HOURS - 1) / RATE_SHIFT_HOURS;
    return rate < RATE_LEAST ? RATE_LEAST : rate;
}

static void describe_lot(const struct kms_lot_request *request, int64_t now_us, struct kms_lot *lot)
{
    *lot = (struct kms_lot){
        .restrict_policy = request->restrict_policy,
        .lock_policy = request->lock_policy,
        .chip = CHIP_NAME,
        .lorawan = request->lorawan,
        .deveui_first = request->deveui_first,
        .deveui_count = request->deveui_count,
        .trust = request->trust,
        .unattended = request->unattended,
        .target = request->target,
        .allowance = request->allowance,
        .rate = rate_of(request),
        .created_us = now_us,
        .expires_us = request->expires_us,
    };
    memcpy(lot->id, request->id, strlen(request->id) + 1);
    memcpy(lot->join_eui, request->join_eui, sizeof(lot->join_eui));
    memcpy(lot->profile, request->profile, sizeof(lot->profile));
    base_sha256(request->image, request->image_length, lot->image_sha256);
    if (request->restrict_policy == KMS_RESTRICT_SECURE) {
        base_sha256(request->image_key, request->image_key_length, lot->key_sha256);
        memcpy(lot->secure_hash, request->secure_hash, sizeof(lot->secure_hash));
    }
}

static enum base_status insert_lot(
    struct kms_home *home, const struct kms_lot *lot, struct base_err *err)
{
    char other[KMS_ID_SIZE];
    struct kms_lot same;
    enum base_status status = kms_lot_get(&home->store, lot->id, &same, err);
    if (status == BASE_OK) {
        return base_err_set(err, BASE_E_EXISTS, "lot", 0,
            "there is a lot %s already: choose another name", lot->id);
    }
    if (status != BASE_E_NOTFOUND) {
        return status;
    }
    status = kms_lot_overlap(&home->store, lot->deveui_first,
        lot->deveui_first + (uint64_t)lot->deveui_count - 1, other, err);
    if (status == BASE_OK) {
        return base_err_set(err, BASE_E_EXISTS, "lot", 0,
            "the DevEUI range overlaps that of lot %s: choose another range", other);
    }
    if (status != BASE_E_NOTFOUND) {
        return status;
    }
    status = kms_lot_insert(&home->store, lot, err);
    return status == BASE_OK ? kms_admin_event(home, "lot.added", lot->id, "", err) : status;
}

enum base_status kms_admin_lot_add(
    struct kms_home *home, const struct kms_lot_request *request, struct base_err *err)
{
    int64_t now_us = kms_store_now_us(&home->store);
    struct kms_lot lot;
    enum base_status status = kms_admin_check_id(request->id, "lot", err);
    if (status == BASE_OK) {
        status = check_policy(home, request, err);
    }
    if (status == BASE_OK) {
        status = check_numbers(request, now_us, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    describe_lot(request, now_us, &lot);
    status = check_image(home, request, &lot, err);
    if (status == BASE_OK) {
        status = read_application(request, &lot, err);
    }
    if (status == BASE_OK) {
        status = kms_store_begin(&home->store, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    return kms_admin_end(home, insert_lot(home, &lot, err), err);
}

static enum base_status view_lot(
    struct kms_home *home, const char *id, struct kms_lot_view *ret_view, struct base_err *err)
{
    enum base_status status = kms_lot_get(&home->store, id, &ret_view->lot, err);
    if (status == BASE_E_NOTFOUND) {
        return base_err_set(err, BASE_E_NOTFOUND, "lot", 0,
            "there is no lot %.64s: lpa-kms lot list shows all", id);
    }
    return status == BASE_OK ? kms_lot_counts(&home->store, id, &ret_view->counts, err) : status;
}

enum base_status kms_admin_lot_view(
    struct kms_home *home, const char *id, struct kms_lot_view *ret_view, struct base_err *err)
{
    struct kms_lot_view view;
    enum base_status status = view_lot(home, id, &view, err);
    if (status == BASE_OK) {
        *ret_view = view;
    }
    return status;
}

struct open_ids {
    char ids[64][KMS_GRANT_ID_SIZE];
    size_t count;
};

static enum base_status collect_id(void *user, const struct kms_grant *grant, struct base_err *err)
{
    (void)err;
    struct open_ids *open = user;
    memcpy(open->ids[open->count++], grant->id, sizeof(grant->id));
    return BASE_OK;
}

/* In slices, because a statement must not change rows that it is reading. */
static enum base_status scrap_open_grants(
    struct kms_home *home, const char *id, struct base_err *err)
{
    for (;;) {
        struct open_ids open = { .count = 0 };
        bool changed = false;
        const struct kms_grant_filter filter = {
            .lot = id, .only_open = true, .only_first = true, .limit = 64
        };
        enum base_status status = kms_grant_each(&home->store, &filter, collect_id, &open, err);
        for (size_t i = 0; i < open.count && status == BASE_OK; i++) {
            status = kms_grant_scrap(&home->store, open.ids[i], "lpa-kms", "lot closed",
                kms_store_now_us(&home->store), &changed, err);
            if (status == BASE_OK) {
                status = kms_admin_event(home, "scrapped", id, open.ids[i], err);
            }
        }
        if (status != BASE_OK || open.count == 0) {
            return status;
        }
    }
}

static enum base_status close_lot(struct kms_home *home, const char *id, bool scrap_open,
    struct kms_lot_view *view, struct base_err *err)
{
    enum base_status status = view_lot(home, id, view, err);
    if (status == BASE_OK && view->counts.open > 0 && !scrap_open) {
        base_err_set_code(err, "open_grants");
        return base_err_set(err, BASE_E_DENIED, "lot", view->counts.open,
            "lot %s has %lld open grants: finish those units, or close with --scrap-open --permit",
            id, (long long)view->counts.open);
    }
    if (status == BASE_OK) {
        status = scrap_open_grants(home, id, err);
    }
    if (status == BASE_OK) {
        status = kms_lot_close(&home->store, id, kms_store_now_us(&home->store), err);
    }
    if (status == BASE_OK) {
        status = kms_admin_event(home, "lot.closed", id, "", err);
    }
    if (status == BASE_OK) {
        status = view_lot(home, id, view, err);
    }
    const struct kms_counts *counts = &view->counts;
    if (status == BASE_OK &&
        view->lot.granted != counts->open + counts->confirmed + counts->scrapped) {
        return base_err_set(err, BASE_E_CORRUPT, "lot", view->lot.granted,
            "the books of lot %s do not balance: granted %lld, confirmed %lld, scrapped %lld, open "
            "%lld",
            id, (long long)view->lot.granted, (long long)counts->confirmed,
            (long long)counts->scrapped, (long long)counts->open);
    }
    return status;
}

enum base_status kms_admin_lot_close(struct kms_home *home, const char *id, bool scrap_open,
    struct kms_lot_view *ret_view, struct base_err *err)
{
    struct kms_lot_view view;
    enum base_status status = kms_store_begin(&home->store, err);
    if (status != BASE_OK) {
        return status;
    }
    status = kms_admin_end(home, close_lot(home, id, scrap_open, &view, err), err);
    if (status == BASE_OK) {
        *ret_view = view;
    }
    return status;
}
