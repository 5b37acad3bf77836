/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LoRaMac-node's secure element on the key services. Build LoRaMac-node with
 * USE_RANDOM_DEV_NONCE=1, so that the DevNonce comes from here. What the services do not offer
 * (setting keys, deriving with a block of the caller's choice, a CMAC under a root key over
 * anything but a join-request) is refused; session keys are derived inside, when the join-accept is
 * processed.
 */
#include "examples/lorawan/secure_element.h"

#include "device-fw/client/client.h"

#include <string.h>

#define JOIN_REQUEST_SIGNED 19U
#define BLOCK               16U
#define MIC_BLOCK           0x49U
#define CRYPT_BLOCK         0x01U

static struct svc_message message;
static struct lpac_identity identity;

static uint32_t counter_of(const uint8_t *block)
{
    return (uint32_t)block[10] | (uint32_t)block[11] << 8 | (uint32_t)block[12] << 16 |
           (uint32_t)block[13] << 24;
}

static uint32_t word_of(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* The services build the frame themselves; it must be the one that the stack is about to send. */
static SecureElementStatus_t sign_join_request(const uint8_t *buffer, uint32_t *cmac)
{
    uint8_t frame[PROTO_JOIN_REQUEST_SIZE];

    if (lpac_join_request(&message, frame) != SVC_OK ||
        memcmp(frame, buffer, JOIN_REQUEST_SIGNED) != 0)
        return SECURE_ELEMENT_ERROR;
    *cmac = word_of(frame + JOIN_REQUEST_SIGNED);
    return SECURE_ELEMENT_SUCCESS;
}

/* In LoRaWAN 1.1 the stack asks twice, for B1 under SNwkSIntKey and for B0 under FNwkSIntKey, and
 * takes two bytes of each; the services give the MIC as a whole. */
static SecureElementStatus_t sign_uplink(
    const uint8_t *block, const uint8_t *buffer, uint16_t size, KeyIdentifier_t key, uint32_t *cmac)
{
    static struct lpac_uplink uplink; /* B1, which comes first, has what B0 lacks */
    uint8_t mic[4];

    if (key == S_NWK_S_INT_KEY)
        uplink = (struct lpac_uplink){ counter_of(block), (uint16_t)(block[1] | block[2] << 8),
            block[3], block[4] };
    else if (uplink.fcnt != counter_of(block))
        uplink = (struct lpac_uplink){ counter_of(block), 0, 0, 0 };
    if (lpac_uplink_mic(&message, &uplink, buffer, size, mic) != SVC_OK)
        return SECURE_ELEMENT_ERROR;
    *cmac = word_of(mic);
    if (lpac_identity(&message, &identity) == SVC_OK && identity.session == 2 &&
        key == F_NWK_S_INT_KEY)
        *cmac >>= 16;
    return SECURE_ELEMENT_SUCCESS;
}

SecureElementStatus_t SecureElementComputeAesCmac(
    uint8_t *micBxBuffer, uint8_t *buffer, uint16_t size, KeyIdentifier_t keyID, uint32_t *cmac)
{
    if (buffer == NULL || cmac == NULL)
        return SECURE_ELEMENT_ERROR_NPE;
    if (micBxBuffer == NULL)
        return keyID == NWK_KEY && size == JOIN_REQUEST_SIGNED
                   ? sign_join_request(buffer, cmac)
                   : SECURE_ELEMENT_ERROR_INVALID_KEY_ID;
    if ((keyID != F_NWK_S_INT_KEY && keyID != S_NWK_S_INT_KEY) || micBxBuffer[0] != MIC_BLOCK ||
        micBxBuffer[5] != 0)
        return SECURE_ELEMENT_ERROR_INVALID_KEY_ID;
    return sign_uplink(micBxBuffer, buffer, size, keyID, cmac);
}

/* B0 and the downlink without its MIC, one behind the other. */
SecureElementStatus_t SecureElementVerifyAesCmac(
    uint8_t *buffer, uint16_t size, uint32_t expectedCmac, KeyIdentifier_t keyID)
{
    uint8_t frame[SVC_PAYLOAD_MAX];
    size_t length = size - BLOCK;
    uint32_t status;

    if (buffer == NULL)
        return SECURE_ELEMENT_ERROR_NPE;
    if (size <= BLOCK || length + 4 > sizeof(frame) - SVC_DOWNLINK_HEAD)
        return SECURE_ELEMENT_ERROR_BUF_SIZE;
    if ((keyID != F_NWK_S_INT_KEY && keyID != S_NWK_S_INT_KEY) || buffer[0] != MIC_BLOCK ||
        buffer[5] != 1)
        return SECURE_ELEMENT_ERROR_INVALID_KEY_ID;
    memcpy(frame, buffer + BLOCK, length);
    for (unsigned i = 0; i < 4; i++)
        frame[length + i] = (uint8_t)(expectedCmac >> 8 * i);
    status = lpac_downlink_verify(
        &message, counter_of(buffer), (uint16_t)(buffer[1] | buffer[2] << 8), frame, length + 4);
    if (status == SVC_BAD_MIC || status == SVC_REPLAYED)
        return SECURE_ELEMENT_FAIL_CMAC;
    return status == SVC_OK ? SECURE_ELEMENT_SUCCESS : SECURE_ELEMENT_ERROR;
}

/* The stack encrypts counter blocks and adds them itself: what it gets is key stream. */
SecureElementStatus_t SecureElementAesEncrypt(
    uint8_t *buffer, uint16_t size, KeyIdentifier_t keyID, uint8_t *encBuffer)
{
    struct lpac_crypt crypt = { .port = keyID == APP_S_KEY ? 1 : 0 };
    uint32_t status;

    if (buffer == NULL || encBuffer == NULL)
        return SECURE_ELEMENT_ERROR_NPE;
    if (size != BLOCK)
        return SECURE_ELEMENT_ERROR_BUF_SIZE;
    if ((keyID != APP_S_KEY && keyID != NWK_S_ENC_KEY) || buffer[0] != CRYPT_BLOCK)
        return SECURE_ELEMENT_ERROR_INVALID_KEY_ID;
    crypt.down = buffer[5] != 0;
    crypt.fcnt = counter_of(buffer);
    memset(encBuffer, 0, BLOCK);
    if (buffer[4] != 0) { /* the options of LoRaWAN 1.1 have another block */
        crypt.port = buffer[4] == 2 ? 1 : 0;
        status = lpac_crypt_fopts(&message, &crypt, encBuffer, BLOCK - 1U);
    } else {
        crypt.first_block = (uint8_t)(buffer[15] - 1U);
        status = lpac_crypt_payload(&message, &crypt, encBuffer, BLOCK);
    }
    return status == SVC_OK ? SECURE_ELEMENT_SUCCESS : SECURE_ELEMENT_FAIL_ENCRYPT;
}

SecureElementStatus_t SecureElementSetKey(KeyIdentifier_t keyID, uint8_t *key)
{
    (void)keyID;
    (void)key;
    return SECURE_ELEMENT_ERROR;
}

/* The plain frame that the stack wants to parse, from what the services tell. */
SecureElementStatus_t SecureElementProcessJoinAccept(JoinReqIdentifier_t joinReqType,
    uint8_t *joinEui, uint16_t devNonce, uint8_t *encJoinAccept, uint8_t encJoinAcceptSize,
    uint8_t *decJoinAccept, uint8_t *versionMinor)
{
    struct lpac_accepted accepted;

    (void)joinEui;
    (void)devNonce;
    if (encJoinAccept == NULL || decJoinAccept == NULL || versionMinor == NULL)
        return SECURE_ELEMENT_ERROR_NPE;
    if (lpac_join_accept(&message, (uint8_t)joinReqType, encJoinAccept, encJoinAcceptSize,
            &accepted) != SVC_OK ||
        lpac_identity(&message, &identity) != SVC_OK)
        return SECURE_ELEMENT_FAIL_CMAC;
    memset(decJoinAccept, 0, encJoinAcceptSize);
    decJoinAccept[0] = encJoinAccept[0];
    for (unsigned i = 0; i < 3; i++) {
        decJoinAccept[1 + i] = (uint8_t)(identity.join_nonce >> 8 * i);
        decJoinAccept[4 + i] = accepted.net_id[2 - i];
    }
    for (unsigned i = 0; i < 4; i++)
        decJoinAccept[7 + i] = accepted.dev_addr[3 - i];
    decJoinAccept[11] = accepted.dl_settings;
    decJoinAccept[12] = accepted.rx_delay;
    memcpy(decJoinAccept + 13, accepted.cf_list, accepted.cf_list_length);
    *versionMinor = accepted.minor_version;
    return SECURE_ELEMENT_SUCCESS;
}

/* With USE_RANDOM_DEV_NONCE: the number that the next join-request will have. */
SecureElementStatus_t SecureElementRandomNumber(uint32_t *randomNum)
{
    if (randomNum == NULL)
        return SECURE_ELEMENT_ERROR_NPE;
    if (lpac_identity(&message, &identity) != SVC_OK)
        return SECURE_ELEMENT_ERROR;
    *randomNum = identity.dev_nonce;
    return SECURE_ELEMENT_SUCCESS;
}

uint8_t *SecureElementGetDevEui(void)
{
    (void)lpac_identity(&message, &identity);
    return identity.dev_eui;
}

uint8_t *SecureElementGetJoinEui(void)
{
    (void)lpac_identity(&message, &identity);
    return identity.join_eui;
}
