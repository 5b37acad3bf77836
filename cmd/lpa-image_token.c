/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/lpa-image_token.h"

#include "base/secret.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include <stdlib.h>
#include <string.h>

#define PIN_MAX_BYTES  256
#define MAX_SLOTS      64
#define MAX_ATTRIBUTES 16
#define EXPONENT_MAX   8
#define ID_MAX_BYTES   64
#define P256_RAW_BYTES 64U

/* One search for one key. */
struct token {
    CK_KEY_TYPE type; /* what kind of key it shall be, whatever the URI says */
    P11KitUri *uri;
    CK_FUNCTION_LIST **modules; /* ended by NULL */
    CK_FUNCTION_LIST *one[2];   /* of module-path */
    struct base_secret pin;
    /* what was found */
    CK_FUNCTION_LIST *module;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
};

bool token_is_uri(const char *text)
{
    return strncmp(text, "pkcs11:", 7) == 0;
}

static enum base_status failed(
    struct base_err *err, enum base_status status, const char *what, CK_RV code)
{
    return base_err_set(err, status, "PKCS#11", (int64_t)code, "%s: %s (0x%lx)", what,
        p11_kit_strerror(code), (unsigned long)code);
}

static enum base_status parse(struct token *token, const char *text, struct base_err *err)
{
    token->uri = p11_kit_uri_new();
    if (token->uri == NULL)
        return base_err_set(err, BASE_E_NOMEM, "", 0, "out of memory");
    if (p11_kit_uri_parse(text, P11_KIT_URI_FOR_OBJECT_ON_TOKEN_AND_MODULE, token->uri) !=
            P11_KIT_URI_OK ||
        p11_kit_uri_any_unrecognized(token->uri) != 0)
        return base_err_set(err, BASE_E_ARG, "PKCS#11", 0,
            "this is no PKCS#11 URI; write pkcs11:token=NAME;object=NAME?module-path=FILE&"
            "pin-source=FILE");
    if (p11_kit_uri_get_pin_value(token->uri) != NULL)
        return base_err_set(err, BASE_E_ARG, "PKCS#11", 0,
            "a PIN among the arguments can be read by everybody; put it into a file of mode 0600 "
            "and name that with pin-source");
    return BASE_OK;
}

static enum base_status read_pin(struct token *token, struct base_err *err)
{
    const char *source = p11_kit_uri_get_pin_source(token->uri);

    if (source == NULL)
        return BASE_OK;
    if (strncmp(source, "file:", 5) == 0)
        source += 5;
    enum base_status status = base_secret_read_file(&token->pin, source, PIN_MAX_BYTES, err);

    while (status == BASE_OK && token->pin.length > 0 &&
           (token->pin.data[token->pin.length - 1] == '\n' ||
               token->pin.data[token->pin.length - 1] == '\r'))
        token->pin.length--;
    base_err_prefix(err, "PIN of the token: ");
    return status;
}

static enum base_status load_modules(struct token *token, struct base_err *err)
{
    const char *path = p11_kit_uri_get_module_path(token->uri);
    CK_RV code;

    if (path == NULL) {
        token->modules = p11_kit_modules_load_and_initialize(0);
        return token->modules != NULL ? BASE_OK
                                      : base_err_set(err, BASE_E_CONFIG, "PKCS#11", 0,
                                            "the system's PKCS#11 modules cannot be loaded; name "
                                            "one with module-path");
    }
    token->one[0] = p11_kit_module_load(path, 0);
    if (token->one[0] == NULL)
        return base_err_set(err, BASE_E_CONFIG, "PKCS#11", 0,
            "module-path %s is no PKCS#11 module that can be loaded", path);
    code = p11_kit_module_initialize(token->one[0]);
    if (code != CKR_OK) {
        p11_kit_module_release(token->one[0]);
        token->one[0] = NULL;
        return failed(err, BASE_E_CONFIG, "the PKCS#11 module does not start", code);
    }
    token->modules = token->one;
    return BASE_OK;
}

static void done(struct token *token)
{
    if (token->module != NULL)
        (void)token->module->C_CloseSession(token->session);
    if (token->one[0] != NULL) {
        (void)p11_kit_module_finalize(token->one[0]);
        p11_kit_module_release(token->one[0]);
    } else if (token->modules != NULL) {
        p11_kit_modules_finalize_and_release(token->modules);
    }
    base_secret_done(&token->pin);
    p11_kit_uri_free(token->uri);
}

/* ---- the token ---- */

static enum base_status log_in(struct token *token, struct base_err *err)
{
    CK_RV code = CKR_OK;

    if (token->pin.data != NULL)
        code = token->module->C_Login(
            token->session, CKU_USER, token->pin.data, (CK_ULONG)token->pin.length);
    if (code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN)
        return BASE_OK;
    return failed(err, BASE_E_DENIED, "the token refuses the PIN", code);
}

/* @param[out] ret_found  a session on it is open */
static enum base_status try_slot(struct token *token, CK_FUNCTION_LIST *module, CK_SLOT_ID slot,
    bool *ret_found, struct base_err *err)
{
    CK_TOKEN_INFO info;
    CK_SESSION_HANDLE session;
    CK_RV code;

    if (module->C_GetTokenInfo(slot, &info) != CKR_OK ||
        (info.flags & CKF_TOKEN_INITIALIZED) == 0 ||
        p11_kit_uri_match_token_info(token->uri, &info) != 1)
        return BASE_OK;
    if (*ret_found)
        return base_err_set(err, BASE_E_CONFIG, "PKCS#11", 0,
            "several tokens answer to the URI; name one by token= or serial=");
    code = module->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session);
    if (code != CKR_OK)
        return failed(err, BASE_E_IO, "the token cannot be opened", code);
    token->module = module;
    token->session = session;
    *ret_found = true;
    return BASE_OK;
}

static enum base_status find_token(struct token *token, struct base_err *err)
{
    enum base_status status = BASE_OK;
    bool found = false;

    for (size_t m = 0; status == BASE_OK && token->modules[m] != NULL; m++) {
        CK_SLOT_ID slots[MAX_SLOTS];
        CK_ULONG count = MAX_SLOTS;

        if (token->modules[m]->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
            continue;
        for (CK_ULONG i = 0; status == BASE_OK && i < count; i++)
            status = try_slot(token, token->modules[m], slots[i], &found, err);
    }
    if (status == BASE_OK && !found)
        status = base_err_set(err, BASE_E_NOTFOUND, "PKCS#11", 0, "no token answers to the URI");
    return status;
}

static const char *kind_of(const struct token *token)
{
    return token->type == CKK_RSA ? "RSA" : "elliptic-curve";
}

/* The URI's attributes, and that it shall be a private key of the kind. */
static enum base_status find_key(struct token *token, struct base_err *err)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE wanted[MAX_ATTRIBUTES] = {
        { CKA_CLASS, &class, sizeof(class) },
        { CKA_KEY_TYPE, &token->type, sizeof(token->type) },
    };
    CK_OBJECT_HANDLE keys[2] = { 0 };
    CK_ULONG given_count = 0;
    CK_ULONG count = 2;
    CK_ULONG found = 0;
    const CK_ATTRIBUTE *given = p11_kit_uri_get_attributes(token->uri, &given_count);

    for (CK_ULONG i = 0; i < given_count && count < MAX_ATTRIBUTES; i++)
        if (given[i].type != CKA_CLASS)
            wanted[count++] = given[i];
    CK_RV code = token->module->C_FindObjectsInit(token->session, wanted, count);
    if (code == CKR_OK)
        code = token->module->C_FindObjects(token->session, keys, 2, &found);
    (void)token->module->C_FindObjectsFinal(token->session);
    if (code != CKR_OK)
        return failed(err, BASE_E_IO, "the token cannot be searched", code);
    if (found == 1) {
        token->key = keys[0];
        return BASE_OK;
    }
    return found == 0 ? base_err_set(err, BASE_E_NOTFOUND, "PKCS#11", 0,
                            "the token shows no such private %s key%s", kind_of(token),
                            token->pin.data == NULL ? "; give its PIN with pin-source" : "")
                      : base_err_set(err, BASE_E_CONFIG, "PKCS#11", 0,
                            "several keys answer to the URI; name one by object= or id=");
}

static enum base_status read_public(
    const struct token *token, struct base_rsa_public *ret_public, struct base_err *err)
{
    uint8_t modulus[BASE_RSA_BYTES];
    uint8_t exponent[EXPONENT_MAX];
    CK_ATTRIBUTE wanted[2] = {
        { CKA_MODULUS, modulus, sizeof(modulus) },
        { CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent) },
    };
    CK_RV code = token->module->C_GetAttributeValue(token->session, token->key, wanted, 2);
    uint64_t value = 0;

    for (CK_ULONG i = 0; code == CKR_OK && i < wanted[1].ulValueLen; i++)
        value = value << 8 | exponent[i];
    if (code != CKR_OK || wanted[0].ulValueLen != sizeof(modulus) || value > UINT32_MAX)
        return failed(err, BASE_E_CONFIG, "the token's key is no RSA-2048 key", code);
    memcpy(ret_public->modulus, modulus, sizeof(modulus));
    ret_public->exponent = (uint32_t)value;
    return BASE_OK;
}

/* Where the group's DER stands before the point: an octet string of 65 bytes (PKCS#11 CKA_EC_POINT,
 * X9.62 4.3.6). */
static enum base_status read_point(
    const struct token *token, uint8_t ret_point[BASE_P256_POINT_BYTES], struct base_err *err)
{
    static const uint8_t head[2] = { 0x04, BASE_P256_POINT_BYTES };
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_KEY_TYPE type = CKK_EC;
    CK_OBJECT_HANDLE key = 0;
    CK_ULONG found = 0;
    uint8_t id[ID_MAX_BYTES];
    uint8_t point[sizeof(head) + BASE_P256_POINT_BYTES];
    CK_ATTRIBUTE name = { CKA_ID, id, sizeof(id) };
    CK_ATTRIBUTE value = { CKA_EC_POINT, point, sizeof(point) };
    CK_RV code = token->module->C_GetAttributeValue(token->session, token->key, &name, 1);
    CK_ATTRIBUTE wanted[3] = {
        { CKA_CLASS, &class, sizeof(class) },
        { CKA_KEY_TYPE, &type, sizeof(type) },
        name,
    };
    if (code == CKR_OK)
        code = token->module->C_FindObjectsInit(token->session, wanted, 3);
    if (code == CKR_OK) {
        code = token->module->C_FindObjects(token->session, &key, 1, &found);
        (void)token->module->C_FindObjectsFinal(token->session);
    }
    if (code != CKR_OK)
        return failed(err, BASE_E_IO, "the token cannot be searched", code);
    if (found == 0)
        return base_err_set(err, BASE_E_NOTFOUND, "PKCS#11", 0,
            "the token has no public key with the id of this private one");
    code = token->module->C_GetAttributeValue(token->session, key, &value, 1);
    if (code != CKR_OK || value.ulValueLen != sizeof(point) ||
        memcmp(point, head, sizeof(head)) != 0)
        return failed(err, BASE_E_CONFIG, "the token's key is no P-256 key", code);
    memcpy(ret_point, point + sizeof(head), BASE_P256_POINT_BYTES);
    return BASE_OK;
}

/* @p size bytes of signature, neither more nor less. */
static enum base_status sign(const struct token *token, CK_MECHANISM_TYPE how, const void *data,
    size_t length, CK_ULONG size, uint8_t *ret_signature, struct base_err *err)
{
    CK_MECHANISM mechanism = { how, NULL, 0 };
    uint8_t signature[BASE_RSA_BYTES];
    CK_ULONG wanted = size;

    union {
        const void *borrowed;
        CK_BYTE *bytes; /* C_Sign only reads them */
    } pass = { .borrowed = data };

    CK_RV code = token->module->C_SignInit(token->session, &mechanism, token->key);

    if (code == CKR_OK)
        code =
            token->module->C_Sign(token->session, pass.bytes, (CK_ULONG)length, signature, &size);
    if (code != CKR_OK || size != wanted)
        return failed(err, BASE_E_IO, "the token does not sign", code);
    memcpy(ret_signature, signature, size);
    return BASE_OK;
}

/* From the URI to the key, of the kind that the caller has set. */
static enum base_status find(struct token *token, const char *uri, struct base_err *err)
{
    enum base_status status = parse(token, uri, err);

    if (status == BASE_OK)
        status = read_pin(token, err);
    if (status == BASE_OK)
        status = load_modules(token, err);
    if (status == BASE_OK)
        status = find_token(token, err);
    if (status == BASE_OK)
        status = log_in(token, err);
    return status == BASE_OK ? find_key(token, err) : status;
}

enum base_status token_sign(const char *uri, const void *data, size_t length,
    struct base_rsa_public *ret_public, uint8_t ret_signature[BASE_RSA_BYTES], struct base_err *err)
{
    struct token token = { .type = CKK_RSA };
    enum base_status status = find(&token, uri, err);

    if (status == BASE_OK)
        status = read_public(&token, ret_public, err);
    if (status == BASE_OK)
        status =
            sign(&token, CKM_SHA256_RSA_PKCS, data, length, BASE_RSA_BYTES, ret_signature, err);
    done(&token);
    return status;
}

enum base_status token_sign_p256(const char *uri, const uint8_t digest[32],
    uint8_t ret_public[BASE_P256_POINT_BYTES], uint8_t ret_signature[BASE_P256_SIGNATURE_MAX],
    size_t *ret_length, struct base_err *err)
{
    struct token token = { .type = CKK_EC };
    uint8_t raw[P256_RAW_BYTES];
    enum base_status status = find(&token, uri, err);

    if (status == BASE_OK)
        status = read_point(&token, ret_public, err);
    if (status == BASE_OK)
        status = sign(&token, CKM_ECDSA, digest, 32, sizeof(raw), raw, err);
    if (status == BASE_OK)
        status = base_p256_signature_der(raw, ret_signature, ret_length, err);
    done(&token);
    return status;
}
