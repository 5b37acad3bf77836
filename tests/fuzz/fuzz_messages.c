/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the messages between device and KMS: hello, statement, envelope, receipt, lock
 * answer, binding block. What a decoder accepts, its encoder writes back byte for byte. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "device-fw/protocol/binding.h"
#include "device-fw/protocol/messages.h"

static void check_hello(const uint8_t *data, size_t size)
{
    struct proto_hello hello;
    uint8_t again[PROTO_HELLO_SIZE];
    if (proto_hello_decode(data, size, &hello) == PROTO_OK) {
        proto_hello_encode(&hello, again);
        FUZZ_CHECK(size == sizeof(again) && memcmp(again, data, size) == 0);
    }
}

static void check_statement(const uint8_t *data, size_t size)
{
    struct proto_statement statement;
    uint8_t again[PROTO_STATEMENT_SIZE];
    if (proto_statement_decode(data, size, &statement) == PROTO_OK) {
        proto_statement_encode(&statement, again);
        FUZZ_CHECK(size == sizeof(again) && memcmp(again, data, size) == 0);
    }
}

static void check_envelope(const uint8_t *data, size_t size)
{
    struct proto_envelope envelope;
    uint8_t again[PROTO_ENVELOPE_HEADER_SIZE];
    if (proto_envelope_decode(data, size, &envelope) == PROTO_OK) {
        proto_envelope_header_encode(&envelope.header, again);
        FUZZ_CHECK(size == PROTO_ENVELOPE_SIZE && memcmp(again, data, sizeof(again)) == 0);
        FUZZ_CHECK(envelope.aad == data && envelope.enc > data && envelope.ciphertext > data);
        FUZZ_CHECK(envelope.ciphertext < data + size);
    }
}

static void check_receipt(const uint8_t *data, size_t size)
{
    struct proto_receipt receipt;
    uint8_t again[PROTO_RECEIPT_SIZE];
    if (proto_receipt_decode(data, size, &receipt) == PROTO_OK) {
        proto_receipt_encode(&receipt, again);
        FUZZ_CHECK(size == sizeof(again) && memcmp(again, data, size) == 0);
    }
}

static void check_lock_answer(const uint8_t *data, size_t size)
{
    struct proto_lock_answer answer;
    uint8_t again[PROTO_LOCK_ANSWER_SIZE];
    if (proto_lock_answer_decode(data, size, &answer) == PROTO_OK) {
        proto_lock_answer_encode(&answer, again);
        FUZZ_CHECK(size == sizeof(again) && memcmp(again, data, size) == 0);
    }
}

static void check_binding(const uint8_t *data, size_t size)
{
    struct proto_binding binding;
    uint8_t block[PROTO_BINDING_SIZE] = { 0 };
    uint8_t again[PROTO_BINDING_SIZE] = { 0 };
    memcpy(block, data, size < sizeof(block) ? size : sizeof(block));
    if (proto_binding_decode(block, &binding) == PROTO_OK) {
        proto_binding_encode(&binding, again);
        FUZZ_CHECK(memcmp(again, block, PROTO_BINDING_HASH_AT) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_hello(data, size);
    check_statement(data, size);
    check_envelope(data, size);
    check_receipt(data, size);
    check_lock_answer(data, size);
    check_binding(data, size);
    if (size >= 4) {
        (void)proto_status_text((uint32_t)data[0] << 24 | data[1]);
    }
    return 0;
}
