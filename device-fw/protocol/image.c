/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/protocol/image.h"

#define APPLICATION_ID   0x8001U
#define CORE_ID          0xC6000000U
#define VECTOR_OFFSET_AT 16U

static uint32_t get_word(const uint8_t *bytes, uint32_t at)
{
    return (uint32_t)bytes[at] | (uint32_t)bytes[at + 1] << 8 | (uint32_t)bytes[at + 2] << 16 |
           (uint32_t)bytes[at + 3] << 24;
}

enum proto_status proto_image_decode(
    const uint8_t *bytes, size_t length, struct proto_image *ret_image)
{
    struct proto_image image;
    enum proto_status status;

    if (length <= PROTO_IMAGE_CODE_OFFSET)
        return PROTO_BAD_LENGTH;
    image.object_size = get_word(bytes, 0);
    image.is_signed = (get_word(bytes, PROTO_IMAGE_ATTRIBUTES_AT) & PROTO_IMAGE_SIGNED) != 0;
    if ((get_word(bytes, 4) & 0xFFFFU) != APPLICATION_ID || get_word(bytes, 12) != 1 ||
        get_word(bytes, VECTOR_OFFSET_AT) + VECTOR_OFFSET_AT != PROTO_VECTOR_OFFSET ||
        get_word(bytes, 20) != CORE_ID)
        return PROTO_BAD_FIELD;
    if (image.object_size > PROTO_IMAGE_MAX_SIZE ||
        (length != image.object_size &&
            !(image.is_signed && length == image.object_size + PROTO_IMAGE_SIGNATURE_SIZE)))
        return PROTO_BAD_LENGTH;
    image.application_version = (uint16_t)(get_word(bytes, 4) >> 16);
    image.binding_bytes = bytes + PROTO_BINDING_OFFSET;
    status = proto_binding_decode(image.binding_bytes, &image.binding);
    if (status != PROTO_OK)
        return status;
    *ret_image = image;
    return PROTO_OK;
}

void proto_image_mark_signed(uint8_t *bytes)
{
    bytes[PROTO_IMAGE_ATTRIBUTES_AT] |= PROTO_IMAGE_SIGNED;
}
