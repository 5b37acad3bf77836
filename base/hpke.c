/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hpke.h"

#include "base/buf.h"
#include "base/hpke_kdf.h"

#include <stdlib.h>
#include <string.h>

/* All secrets of a context, in one locked mapping. */
struct secrets {
    uint8_t dh[2 * BASE_HPKE_DH_BYTES]; /* these three are wiped when setup is over */
    uint8_t shared[BASE_SHA256_BYTES];
    uint8_t schedule[BASE_SHA256_BYTES];
    uint8_t key[BASE_AEAD_KEY_MAX_BYTES];
    uint8_t base_nonce[BASE_AEAD_NONCE_BYTES];
    uint8_t exporter[BASE_SHA256_BYTES];
};

struct base_hpke {
    uint16_t aead_id;
    uint8_t suite[BASE_HPKE_SUITE_BYTES];
    uint64_t sequence;
    bool sender;
    struct base_secret memory;
};

static struct secrets *secrets_of(const struct base_hpke *hpke)
{
    return (struct secrets *)(void *)hpke->memory.data;
}

void base_hpke_free(struct base_hpke *hpke)
{
    if (hpke != NULL) {
        base_secret_done(&hpke->memory);
        free(hpke);
    }
}

static bool mode_has_psk(enum base_hpke_mode mode)
{
    return mode == BASE_HPKE_PSK || mode == BASE_HPKE_AUTH_PSK;
}

static bool mode_has_auth(enum base_hpke_mode mode)
{
    return mode == BASE_HPKE_AUTH || mode == BASE_HPKE_AUTH_PSK;
}

static size_t key_bytes(const struct base_hpke_opts *opts)
{
    return opts->aead_id == BASE_HPKE_EXPORT_ONLY
               ? 0
               : base_aead_key_bytes((enum base_aead)opts->aead_id);
}

static size_t public_bytes(uint16_t kem_id)
{
    return kem_id == BASE_HPKE_KEM_P256 ? 65 : 32;
}

static enum base_status check_opts(
    const struct base_hpke_opts *opts, bool has_auth, struct base_err *err)
{
    bool kem_known = opts->kem_id == BASE_HPKE_KEM_P256 || opts->kem_id == BASE_HPKE_KEM_X25519;
    if (!kem_known || opts->kdf_id != BASE_HPKE_KDF_SHA256 ||
        (opts->aead_id != BASE_HPKE_EXPORT_ONLY && key_bytes(opts) == 0)) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "HPKE", opts->kem_id,
            "HPKE suite KEM %u, KDF %u, AEAD %u is not supported", opts->kem_id, opts->kdf_id,
            opts->aead_id);
    }
    if ((unsigned)opts->mode > BASE_HPKE_AUTH_PSK || mode_has_auth(opts->mode) != has_auth) {
        return base_err_set(err, BASE_E_ARG, "HPKE", (int64_t)opts->mode,
            "HPKE mode %d and the sender's key do not go together", (int)opts->mode);
    }
    bool psk_fits = mode_has_psk(opts->mode) ? opts->psk_length >= 32 && opts->psk_id_length > 0
                                             : opts->psk_length == 0 && opts->psk_id_length == 0;
    if (!psk_fits) {
        return base_err_set(err, BASE_E_ARG, "HPKE", (int64_t)opts->psk_length,
            "HPKE mode %d and the pre-shared key do not go together (32 bytes or more, and an id)",
            (int)opts->mode);
    }
    return BASE_OK;
}

static enum base_status check_public(
    uint16_t kem_id, const uint8_t *key, size_t length, struct base_err *err)
{
    if (key == NULL || length != public_bytes(kem_id)) {
        return base_err_set(err, BASE_E_ARG, "HPKE", (int64_t)length,
            "an HPKE public key has %zu bytes, not %zu", public_bytes(kem_id), length);
    }
    return BASE_OK;
}

static enum base_status check_private(
    uint16_t kem_id, const struct base_hpke_key *key, struct base_err *err)
{
    if (key == NULL || key->dh == NULL || key->kem_id != kem_id) {
        return base_err_set(err, BASE_E_ARG, "HPKE", kem_id,
            "the HPKE key is missing or belongs to another KEM than %u", kem_id);
    }
    return check_public(kem_id, key->public_key, key->public_length, err);
}

static struct base_hpke *new_context(
    const struct base_hpke_opts *opts, bool sender, struct base_err *err)
{
    struct base_hpke *hpke = calloc(1, sizeof(*hpke));
    if (hpke == NULL) {
        (void)base_err_set(err, BASE_E_NOMEM, "HPKE", 0, "no memory for an HPKE context");
        return NULL;
    }
    if (base_secret_init(&hpke->memory, sizeof(struct secrets), err) != BASE_OK) {
        free(hpke);
        return NULL;
    }
    hpke->aead_id = opts->aead_id;
    hpke->sender = sender;
    memcpy(hpke->suite, "HPKE", 4);
    base_put_le16(hpke->suite + 4, (uint16_t)(opts->kem_id << 8 | opts->kem_id >> 8));
    base_put_le16(hpke->suite + 6, (uint16_t)(opts->kdf_id << 8 | opts->kdf_id >> 8));
    base_put_le16(hpke->suite + 8, (uint16_t)(opts->aead_id << 8 | opts->aead_id >> 8));
    return hpke;
}

/* The public keys that the shared secret is bound to (RFC 9180 §4.1, kem_context). */
struct kem_inputs {
    const uint8_t *enc;
    const uint8_t *recipient;
    const uint8_t *sender; /* NULL without auth */
};

/* ExtractAndExpand of RFC 9180 §4.1: from the DH values to the shared secret. */
static enum base_status extract_and_expand(
    struct base_hpke *hpke, uint16_t kem_id, const struct kem_inputs *inputs, struct base_err *err)
{
    struct secrets *secrets = secrets_of(hpke);
    size_t length = public_bytes(kem_id);
    uint8_t context[3 * BASE_HPKE_PUBLIC_MAX_BYTES];
    memcpy(context, inputs->enc, length);
    memcpy(context + length, inputs->recipient, length);
    size_t context_length = 2 * length;
    size_t dh_length = BASE_HPKE_DH_BYTES;
    if (inputs->sender != NULL) {
        memcpy(context + context_length, inputs->sender, length);
        context_length += length;
        dh_length += BASE_HPKE_DH_BYTES;
    }
    uint8_t suite[BASE_HPKE_KEM_SUITE_BYTES];
    base_hpke_kdf_kem_suite(kem_id, suite);
    struct base_hpke_label label = { suite, sizeof(suite), "eae_prk" };
    base_hpke_kdf_extract(&label, &(struct base_part){ NULL, 0 },
        &(struct base_part){ secrets->dh, dh_length }, secrets->schedule);
    label.text = "shared_secret";
    return base_hpke_kdf_expand(&label, secrets->schedule,
        &(struct base_part){ context, context_length }, sizeof(secrets->shared), secrets->shared,
        err);
}

/* KeySchedule of RFC 9180 §5.1. */
static enum base_status key_schedule(
    struct base_hpke *hpke, const struct base_hpke_opts *opts, struct base_err *err)
{
    struct secrets *secrets = secrets_of(hpke);
    struct base_hpke_label label = { hpke->suite, sizeof(hpke->suite), "psk_id_hash" };
    const struct base_part nothing = { NULL, 0 };
    uint8_t context[1 + 2 * BASE_SHA256_BYTES];
    context[0] = (uint8_t)opts->mode;
    base_hpke_kdf_extract(
        &label, &nothing, &(struct base_part){ opts->psk_id, opts->psk_id_length }, context + 1);
    label.text = "info_hash";
    base_hpke_kdf_extract(&label, &nothing, &(struct base_part){ opts->info, opts->info_length },
        context + 1 + BASE_SHA256_BYTES);
    label.text = "secret";
    base_hpke_kdf_extract(&label, &(struct base_part){ secrets->shared, sizeof(secrets->shared) },
        &(struct base_part){ opts->psk, opts->psk_length }, secrets->schedule);

    const struct base_part bound = { context, sizeof(context) };
    label.text = "exp";
    enum base_status status = base_hpke_kdf_expand(
        &label, secrets->schedule, &bound, sizeof(secrets->exporter), secrets->exporter, err);
    if (status == BASE_OK && opts->aead_id != BASE_HPKE_EXPORT_ONLY) {
        label.text = "key";
        status = base_hpke_kdf_expand(
            &label, secrets->schedule, &bound, key_bytes(opts), secrets->key, err);
        label.text = "base_nonce";
        if (status == BASE_OK) {
            status = base_hpke_kdf_expand(&label, secrets->schedule, &bound,
                sizeof(secrets->base_nonce), secrets->base_nonce, err);
        }
    }
    base_wipe(secrets->dh, sizeof(secrets->dh));
    base_wipe(secrets->shared, sizeof(secrets->shared));
    base_wipe(secrets->schedule, sizeof(secrets->schedule));
    return status;
}

static enum base_status finish(struct base_hpke *hpke, const struct base_hpke_opts *opts,
    const struct kem_inputs *inputs, struct base_hpke **ret_hpke, struct base_err *err)
{
    enum base_status status = extract_and_expand(hpke, opts->kem_id, inputs, err);
    if (status == BASE_OK) {
        status = key_schedule(hpke, opts, err);
    }
    if (status != BASE_OK) {
        base_hpke_free(hpke);
        return status;
    }
    *ret_hpke = hpke;
    return BASE_OK;
}

static enum base_status check_sender_arguments(const struct base_hpke_opts *opts,
    const uint8_t *recipient, size_t recipient_length, const struct base_hpke_key *ephemeral,
    const struct base_hpke_key *sender, struct base_err *err)
{
    enum base_status status = check_opts(opts, sender != NULL, err);
    if (status == BASE_OK) {
        status = check_public(opts->kem_id, recipient, recipient_length, err);
    }
    if (status == BASE_OK) {
        status = check_private(opts->kem_id, ephemeral, err);
    }
    if (status == BASE_OK && sender != NULL) {
        status = check_private(opts->kem_id, sender, err);
    }
    return status;
}

enum base_status base_hpke_setup_sender(const struct base_hpke_opts *opts, const uint8_t *recipient,
    size_t recipient_length, const struct base_hpke_key *ephemeral,
    const struct base_hpke_key *sender, uint8_t *ret_enc, size_t *ret_enc_length,
    struct base_hpke **ret_hpke, struct base_err *err)
{
    enum base_status status =
        check_sender_arguments(opts, recipient, recipient_length, ephemeral, sender, err);
    if (status != BASE_OK) {
        return status;
    }
    struct base_hpke *hpke = new_context(opts, true, err);
    if (hpke == NULL) {
        return BASE_E_NOMEM;
    }
    uint8_t *dh = secrets_of(hpke)->dh;
    status = ephemeral->dh(ephemeral->user, recipient, recipient_length, dh, err);
    if (status == BASE_OK && sender != NULL) {
        status =
            sender->dh(sender->user, recipient, recipient_length, dh + BASE_HPKE_DH_BYTES, err);
    }
    if (status != BASE_OK) {
        base_hpke_free(hpke);
        return status;
    }
    const struct kem_inputs inputs = { ephemeral->public_key, recipient,
        sender == NULL ? NULL : sender->public_key };
    status = finish(hpke, opts, &inputs, ret_hpke, err);
    if (status == BASE_OK) {
        memcpy(ret_enc, ephemeral->public_key, ephemeral->public_length);
        *ret_enc_length = ephemeral->public_length;
    }
    return status;
}

enum base_status base_hpke_setup_receiver(const struct base_hpke_opts *opts,
    const struct base_hpke_key *recipient, const struct base_hpke_received *received,
    struct base_hpke **ret_hpke, struct base_err *err)
{
    enum base_status status = check_opts(opts, received->sender != NULL, err);
    if (status == BASE_OK) {
        status = check_private(opts->kem_id, recipient, err);
    }
    if (status == BASE_OK) {
        status = check_public(opts->kem_id, received->enc, received->enc_length, err);
    }
    if (status == BASE_OK && received->sender != NULL) {
        status = check_public(opts->kem_id, received->sender, received->sender_length, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    struct base_hpke *hpke = new_context(opts, false, err);
    if (hpke == NULL) {
        return BASE_E_NOMEM;
    }
    uint8_t *dh = secrets_of(hpke)->dh;
    status = recipient->dh(recipient->user, received->enc, received->enc_length, dh, err);
    if (status == BASE_OK && received->sender != NULL) {
        status = recipient->dh(recipient->user, received->sender, received->sender_length,
            dh + BASE_HPKE_DH_BYTES, err);
    }
    if (status != BASE_OK) {
        base_hpke_free(hpke);
        return status;
    }
    const struct kem_inputs inputs = { received->enc, recipient->public_key, received->sender };
    return finish(hpke, opts, &inputs, ret_hpke, err);
}

/* ComputeNonce of RFC 9180 §5.2: the sequence number, xored onto the base nonce. */
static void next_nonce(const struct base_hpke *hpke, uint8_t ret_nonce[BASE_AEAD_NONCE_BYTES])
{
    const struct secrets *secrets = secrets_of(hpke);
    uint8_t sequence[8];
    base_put_be64(sequence, hpke->sequence);
    memcpy(ret_nonce, secrets->base_nonce, BASE_AEAD_NONCE_BYTES);
    for (size_t i = 0; i < sizeof(sequence); i++) {
        ret_nonce[BASE_AEAD_NONCE_BYTES - sizeof(sequence) + i] ^= sequence[i];
    }
}

static enum base_status check_use(
    const struct base_hpke *hpke, bool as_sender, struct base_err *err)
{
    if (hpke->aead_id == BASE_HPKE_EXPORT_ONLY) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "HPKE", hpke->aead_id,
            "this HPKE context only exports secrets");
    }
    if (hpke->sender != as_sender) {
        return base_err_set(err, BASE_E_ARG, "HPKE", 0, "an HPKE context works one way only");
    }
    if (hpke->sequence == UINT64_MAX) {
        return base_err_set(
            err, BASE_E_INTERNAL, "HPKE", 0, "the HPKE context has used up its sequence numbers");
    }
    return BASE_OK;
}

/* The key and the next nonce; @p nonce must live as long as what is returned. */
static struct base_aead_opts next_opts(const struct base_hpke *hpke, const void *aad,
    size_t aad_length, uint8_t nonce[BASE_AEAD_NONCE_BYTES])
{
    next_nonce(hpke, nonce);
    return (struct base_aead_opts){ (enum base_aead)hpke->aead_id, secrets_of(hpke)->key, nonce,
        aad, aad_length };
}

enum base_status base_hpke_seal(struct base_hpke *hpke, const void *aad, size_t aad_length,
    const void *plaintext, size_t length, uint8_t *ret_ciphertext, struct base_err *err)
{
    enum base_status status = check_use(hpke, true, err);
    if (status != BASE_OK) {
        return status;
    }
    uint8_t nonce[BASE_AEAD_NONCE_BYTES];
    const struct base_aead_opts opts = next_opts(hpke, aad, aad_length, nonce);
    status = base_aead_seal(&opts, plaintext, length, ret_ciphertext, err);
    hpke->sequence += status == BASE_OK ? 1 : 0;
    return status;
}

enum base_status base_hpke_open(struct base_hpke *hpke, const void *aad, size_t aad_length,
    const void *ciphertext, size_t length, uint8_t *ret_plaintext, struct base_err *err)
{
    enum base_status status = check_use(hpke, false, err);
    if (status != BASE_OK) {
        return status;
    }
    uint8_t nonce[BASE_AEAD_NONCE_BYTES];
    const struct base_aead_opts opts = next_opts(hpke, aad, aad_length, nonce);
    status = base_aead_open(&opts, ciphertext, length, ret_plaintext, err);
    hpke->sequence += status == BASE_OK ? 1 : 0;
    return status;
}

enum base_status base_hpke_export(const struct base_hpke *hpke, const void *context,
    size_t context_length, size_t length, uint8_t *ret_secret, struct base_err *err)
{
    const struct base_hpke_label label = { hpke->suite, sizeof(hpke->suite), "sec" };
    return base_hpke_kdf_expand(&label, secrets_of(hpke)->exporter,
        &(struct base_part){ context, context_length }, length, ret_secret, err);
}
