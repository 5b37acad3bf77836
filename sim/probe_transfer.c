/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/probe_internal.h"

#include <string.h>

/* State of one DAP_Transfer, as the reference firmware keeps it. */
struct run {
    struct sim_probe *probe;
    struct dap_writer *out;
    uint8_t ack;      /**< last acknowledge; 0 while nothing was done */
    bool posted;      /**< an AP read is posted and its result not fetched */
    bool check_write; /**< the last request was a write */
};

/* One SWD packet, repeated while the target says WAIT and the host's limit allows. */
static uint8_t transfer(struct sim_probe *probe, uint8_t request, uint32_t *data)
{
    uint32_t unused = 0;
    uint32_t tries = (uint32_t)probe->wait_retry + 1;
    uint8_t ack;
    do {
        ack = probe_swd_transfer(probe, request, data != NULL ? data : &unused);
        tries--;
    } while (ack == DAP_ACK_WAIT && tries > 0);
    return ack;
}

static bool is_read(uint8_t request)
{
    return (request & DAP_REQ_RNW) != 0;
}

static bool has_value(uint8_t request)
{
    return !is_read(request) || (request & DAP_REQ_MATCH_VALUE) != 0;
}

static bool do_transfer(struct run *run, uint8_t request, uint32_t *data)
{
    run->ack = transfer(run->probe, request, data);
    return run->ack == DAP_ACK_OK;
}

/* Read and append to the answer; while an AP read is posted this is its result. */
static bool read_store(struct run *run, uint8_t request)
{
    uint32_t data = 0;
    if (!do_transfer(run, request, &data)) {
        return false;
    }
    dap_put_word(run->out, data);
    return true;
}

static bool read_match(struct run *run, uint8_t request, uint32_t value)
{
    struct sim_probe *probe = run->probe;
    uint32_t tries = (uint32_t)probe->match_retry + 1;
    uint32_t data = 0;
    if ((request & DAP_REQ_APNDP) != 0 && !do_transfer(run, request, NULL)) {
        return false;
    }
    do {
        if (!do_transfer(run, request, &data)) {
            break;
        }
        tries--;
    } while ((data & probe->match_mask) != value && tries > 0);
    /* As in the reference firmware a failed access is marked too when the data before it differs.
     */
    if ((data & probe->match_mask) != value) {
        run->ack |= DAP_ACK_MISMATCH;
    }
    return run->ack == DAP_ACK_OK;
}

static bool read_plain(struct run *run, uint8_t request)
{
    if ((request & DAP_REQ_APNDP) != 0) {
        if (!run->posted) {
            if (!do_transfer(run, request, NULL)) {
                return false;
            }
            run->posted = true;
        }
        return true;
    }
    return read_store(run, request);
}

static bool one_read(struct run *run, uint8_t request, uint32_t value)
{
    bool match = (request & DAP_REQ_MATCH_VALUE) != 0;
    if (run->posted) {
        bool chain = (request & DAP_REQ_APNDP) != 0 && !match;
        if (!read_store(run, chain ? request : DAP_REQ_RDBUFF)) {
            return false;
        }
        run->posted = chain;
    }
    run->check_write = false;
    return match ? read_match(run, request, value) : read_plain(run, request);
}

static bool one_write(struct run *run, uint8_t request, uint32_t value)
{
    if (run->posted) {
        if (!read_store(run, DAP_REQ_RDBUFF)) {
            return false;
        }
        run->posted = false;
    }
    if ((request & DAP_REQ_MATCH_MASK) != 0) {
        run->probe->match_mask = value;
        run->ack = DAP_ACK_OK;
        return true;
    }
    if (!do_transfer(run, request, &value)) {
        return false;
    }
    run->check_write = true;
    return true;
}

/* Walk the requests without doing them; sum up the answer. False when bytes are missing. */
static bool measure(struct base_cursor request, unsigned count, size_t *ret_answer)
{
    size_t answer = 2;
    for (unsigned i = 0; i < count; i++) {
        uint8_t one = base_cursor_u8(&request);
        if (has_value(one)) {
            (void)base_cursor_le32(&request);
        } else {
            answer += 4;
        }
    }
    *ret_answer = answer;
    return !request.bad;
}

static uint8_t run_transfers(struct run *run, struct base_cursor *request, unsigned count)
{
    unsigned done = 0;
    bool going = run->probe->connected;
    for (unsigned i = 0; i < count; i++) {
        uint8_t one = base_cursor_u8(request);
        uint32_t value = has_value(one) ? base_cursor_le32(request) : 0;
        if (going) {
            going = is_read(one) ? one_read(run, one, value) : one_write(run, one, value);
            done += going ? 1 : 0;
        }
    }
    if (run->ack == DAP_ACK_OK && run->posted) {
        (void)read_store(run, DAP_REQ_RDBUFF);
    } else if (run->ack == DAP_ACK_OK && run->check_write) {
        run->ack = transfer(run->probe, DAP_REQ_RDBUFF, NULL);
    }
    return (uint8_t)done;
}

bool probe_transfer(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    (void)base_cursor_u8(request); /* position in a JTAG chain: no meaning here */
    unsigned count = base_cursor_u8(request);
    size_t answer = 0;
    if (request->bad || !measure(*request, count, &answer) || !dap_room(out, answer)) {
        return false;
    }
    struct run run = { .probe = probe, .out = out };
    size_t head = out->length;
    dap_put(out, 0);
    dap_put(out, 0);
    out->data[head] = run_transfers(&run, request, count);
    out->data[head + 1] = run.ack;
    return true;
}

static uint16_t block_read(struct run *run, uint8_t request, uint16_t count)
{
    bool ap = (request & DAP_REQ_APNDP) != 0;
    uint16_t done = 0;
    if (ap && !do_transfer(run, request, NULL)) {
        return 0;
    }
    while (done < count) {
        bool last = done + 1 == count;
        if (!read_store(run, ap && last ? DAP_REQ_RDBUFF : request)) {
            break;
        }
        done++;
    }
    return done;
}

static uint16_t block_write(
    struct run *run, uint8_t request, struct base_cursor *data, uint16_t count)
{
    uint16_t done = 0;
    while (done < count) {
        uint32_t value = base_cursor_le32(data);
        if (!do_transfer(run, request, &value)) {
            return done;
        }
        done++;
    }
    run->ack = transfer(run->probe, DAP_REQ_RDBUFF, NULL);
    return done;
}

bool probe_transfer_block(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    (void)base_cursor_u8(request);
    uint16_t count = base_cursor_le16(request);
    uint8_t one = base_cursor_u8(request);
    bool read = is_read(one);
    if (request->bad || !dap_room(out, 3 + (read ? 4 * (size_t)count : 0))) {
        return false;
    }
    struct base_cursor data = { 0 };
    if (!read) {
        const uint8_t *words = base_cursor_take(request, 4 * (size_t)count);
        if (request->bad) {
            return false;
        }
        base_cursor_init(&data, words, 4 * (size_t)count);
    }
    struct run run = { .probe = probe, .out = out };
    size_t head = out->length;
    dap_put(out, 0);
    dap_put(out, 0);
    dap_put(out, 0);
    uint16_t done = 0;
    if (count > 0 && probe->connected) {
        done = read ? block_read(&run, one, count) : block_write(&run, one, &data, count);
    }
    base_put_le16(out->data + head, done);
    out->data[head + 2] = run.ack;
    return true;
}

bool probe_write_abort(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    (void)base_cursor_u8(request);
    uint32_t value = base_cursor_le32(request);
    if (request->bad || !dap_room(out, 1)) {
        return false;
    }
    if (!probe->connected) {
        dap_put(out, DAP_ERROR);
        return true;
    }
    /* The reference firmware does not look at the acknowledge. */
    (void)probe_swd_transfer(probe, DAP_REQ_ABORT, &value);
    dap_put(out, DAP_OK);
    return true;
}
