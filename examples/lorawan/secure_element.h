/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECURE_ELEMENT_H
#define SECURE_ELEMENT_H

/**
 * @file
 * A stand-in for LoRaMac-node's secure-element.h, with its names and signatures, so that the
 * adapter compiles without that tree. In a product the real header takes its place.
 */

#include <stdint.h>

#define SE_KEY_SIZE 16
#define SE_EUI_SIZE 8
#define SE_PIN_SIZE 4

typedef enum eSecureElementStatus {
    SECURE_ELEMENT_SUCCESS = 0,
    SECURE_ELEMENT_FAIL_CMAC,
    SECURE_ELEMENT_ERROR_NPE,
    SECURE_ELEMENT_ERROR_INVALID_KEY_ID,
    SECURE_ELEMENT_ERROR_INVALID_LORAWAM_SPEC_VERSION,
    SECURE_ELEMENT_ERROR_BUF_SIZE,
    SECURE_ELEMENT_ERROR,
    SECURE_ELEMENT_FAIL_ENCRYPT,
} SecureElementStatus_t;

typedef enum eKeyIdentifier {
    APP_KEY = 0,
    NWK_KEY,
    J_S_INT_KEY,
    J_S_ENC_KEY,
    F_NWK_S_INT_KEY,
    S_NWK_S_INT_KEY,
    NWK_S_ENC_KEY,
    APP_S_KEY,
    NO_KEY,
} KeyIdentifier_t;

typedef enum eJoinReqIdentifier {
    REJOIN_REQ_0 = 0x00,
    REJOIN_REQ_1 = 0x01,
    REJOIN_REQ_2 = 0x02,
    JOIN_REQ = 0xFF,
} JoinReqIdentifier_t;

SecureElementStatus_t SecureElementComputeAesCmac(
    uint8_t *micBxBuffer, uint8_t *buffer, uint16_t size, KeyIdentifier_t keyID, uint32_t *cmac);
SecureElementStatus_t SecureElementVerifyAesCmac(
    uint8_t *buffer, uint16_t size, uint32_t expectedCmac, KeyIdentifier_t keyID);
SecureElementStatus_t SecureElementAesEncrypt(
    uint8_t *buffer, uint16_t size, KeyIdentifier_t keyID, uint8_t *encBuffer);
SecureElementStatus_t SecureElementSetKey(KeyIdentifier_t keyID, uint8_t *key);
SecureElementStatus_t SecureElementProcessJoinAccept(JoinReqIdentifier_t joinReqType,
    uint8_t *joinEui, uint16_t devNonce, uint8_t *encJoinAccept, uint8_t encJoinAcceptSize,
    uint8_t *decJoinAccept, uint8_t *versionMinor);
SecureElementStatus_t SecureElementRandomNumber(uint32_t *randomNum);
uint8_t *SecureElementGetDevEui(void);
uint8_t *SecureElementGetJoinEui(void);

#endif
