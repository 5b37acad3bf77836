/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small LoRaWAN application on the CM4: joins, sends "hello", and answers every downlink with an
 * uplink of the same payload. It joins again, rejoins and sends when it is told to. It has no key;
 * all cryptography is the services'.
 */
#include "device-fw/app-demo/radio.h"
#include "device-fw/client/client.h"

#define PORT        10U
#define HEADER_SIZE 9U /* MHDR, DevAddr, FCtrl, FCnt, FPort */
#define MIC_SIZE    4U
#define FRAME_MAX   255U

#define MTYPE_MASK        0xE0U
#define MTYPE_JOIN_ACCEPT 0x20U
#define MHDR_UP           0x40U

int main(void);

static struct app_radio *radio(void)
{
    return (struct app_radio *)APP_RADIO_ADDRESS;
}

/* All that the program remembers. */
struct app {
    struct svc_message message;
    struct lpac_identity identity;
    uint8_t frame[FRAME_MAX + 1];
    uint32_t taken;
    uint32_t sent;
    uint8_t request_type; /* of the last join- or rejoin-request */
};

static struct app app;

static void transmit(uint32_t kind, uint32_t status, const uint8_t *bytes, size_t length)
{
    struct app_radio_slot *slot = &radio()->out;

    for (size_t i = 0; i < length; i++)
        slot->data[i] = bytes[i];
    slot->kind = kind;
    slot->length = (uint32_t)length;
    slot->status = status;
    slot->number = ++app.sent;
}

static void join(void)
{
    uint32_t status = lpac_join_request(&app.message, app.frame);

    app.request_type = SVC_JOIN_TYPE;
    transmit(APP_RADIO_LORA, status, app.frame, status == SVC_OK ? PROTO_JOIN_REQUEST_SIZE : 0);
}

static void rejoin(uint8_t type)
{
    size_t length = 0;
    uint32_t status = lpac_rejoin(&app.message, type, app.frame, &length);

    app.request_type = type;
    transmit(APP_RADIO_LORA, status, app.frame, length);
}

static void put_header(uint32_t fcnt)
{
    app.frame[0] = MHDR_UP;
    for (unsigned i = 0; i < 4; i++)
        app.frame[1 + i] = app.identity.dev_addr[3 - i];
    app.frame[5] = 0;
    app.frame[6] = (uint8_t)fcnt;
    app.frame[7] = (uint8_t)(fcnt >> 8);
    app.frame[8] = PORT;
}

/* Encrypt and sign what stands behind the header's place, and send it. */
static void send(size_t length)
{
    uint32_t status = lpac_identity(&app.message, &app.identity);
    const struct lpac_crypt crypt = { false, PORT, app.identity.fcnt_up, 0 };
    const struct lpac_uplink uplink = { app.identity.fcnt_up, 0, APP_RADIO_DATA_RATE,
        APP_RADIO_CHANNEL };
    size_t total = HEADER_SIZE + length;

    put_header(app.identity.fcnt_up);
    if (status == SVC_OK && length > 0)
        status = lpac_crypt_payload(&app.message, &crypt, app.frame + HEADER_SIZE, length);
    if (status == SVC_OK)
        status = lpac_uplink_mic(&app.message, &uplink, app.frame, total, app.frame + total);
    transmit(APP_RADIO_LORA, status, app.frame, status == SVC_OK ? total + MIC_SIZE : 0);
}

static void accept(size_t length)
{
    static const uint8_t hello[] = { 'h', 'e', 'l', 'l', 'o' };
    struct lpac_accepted accepted;
    uint32_t status =
        lpac_join_accept(&app.message, app.request_type, app.frame, length, &accepted);

    if (status != SVC_OK) {
        transmit(APP_RADIO_LORA, status, app.frame, 0);
        return;
    }
    for (size_t i = 0; i < sizeof(hello); i++)
        app.frame[HEADER_SIZE + i] = hello[i];
    send(sizeof(hello));
}

/* The counter that the frame's 16 bits stand for. */
static uint32_t whole_fcnt(uint8_t port)
{
    uint32_t next =
        app.identity.session == 2 && port > 0 ? app.identity.afcnt_down : app.identity.nfcnt_down;
    uint32_t low = (uint32_t)app.frame[6] | (uint32_t)app.frame[7] << 8;
    uint32_t fcnt = (next & 0xFFFF0000U) | low;

    return fcnt < next ? fcnt + 0x10000U : fcnt;
}

static void receive(size_t length)
{
    uint32_t status = lpac_identity(&app.message, &app.identity);
    struct lpac_crypt crypt = { true, app.frame[8], 0, 0 };
    size_t payload = length - HEADER_SIZE - MIC_SIZE;

    crypt.fcnt = whole_fcnt(crypt.port);
    if (status == SVC_OK)
        status = lpac_downlink_verify(&app.message, crypt.fcnt, 0, app.frame, length);
    if (status == SVC_OK)
        status = lpac_crypt_payload(&app.message, &crypt, app.frame + HEADER_SIZE, payload);
    if (status == SVC_OK)
        send(payload);
    else
        transmit(APP_RADIO_LORA, status, app.frame, 0);
}

static void provision(uint32_t kind)
{
    uint32_t status;
    size_t length = PROTO_RECEIPT_SIZE;

    if (kind == APP_RADIO_STATEMENT) {
        length = PROTO_STATEMENT_SIZE;
        status = lpac_statement(&app.message, app.frame, app.frame);
    } else if (kind == APP_RADIO_ENVELOPE) {
        status = lpac_envelope(&app.message, app.frame, app.frame);
    } else {
        status = lpac_receipt(&app.message, app.frame);
    }
    transmit(kind, status, app.frame, length);
    if (kind == APP_RADIO_ENVELOPE && status == (SVC_STATUS_DEVICE | 1U))
        join(); /* new root keys */
}

/* The payload comes to where the frame has it. */
static void send_data(size_t length)
{
    if (length > FRAME_MAX - HEADER_SIZE - MIC_SIZE)
        return;
    for (size_t i = length; i > 0; i--)
        app.frame[HEADER_SIZE + i - 1] = app.frame[i - 1];
    send(length);
}

static void take(uint32_t kind, size_t length)
{
    if (kind == APP_RADIO_JOIN && app.frame[0] == SVC_JOIN_TYPE)
        join();
    else if (kind == APP_RADIO_JOIN)
        rejoin(app.frame[0]);
    else if (kind == APP_RADIO_SEND)
        send_data(length);
    else if (kind != APP_RADIO_LORA)
        provision(kind);
    else if ((app.frame[0] & MTYPE_MASK) == MTYPE_JOIN_ACCEPT)
        accept(length);
    else if (length > HEADER_SIZE + MIC_SIZE)
        receive(length);
}

int main(void)
{
    struct app_radio_slot *in = &radio()->in;

    app.taken = in->number;
    app.sent = radio()->out.number;
    radio()->running = APP_RADIO_RUNNING;
    if (lpac_identity(&app.message, &app.identity) != SVC_OK || app.identity.session == 0)
        join();
    for (;;) {
        size_t length;

        if (in->number == app.taken)
            continue;
        app.taken = in->number;
        length = in->length <= FRAME_MAX ? in->length : FRAME_MAX;
        for (size_t i = 0; i < length; i++)
            app.frame[i] = in->data[i];
        take(in->kind, length);
        radio()->taken = app.taken;
    }
}
