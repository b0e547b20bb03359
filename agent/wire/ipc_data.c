/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ipc_data.h"

static struct kgr_slice read_data(struct kgr_rd *rd)
{
    struct kgr_slice data = kgr_rd_rest(rd);

    if (data.len > KGR_RECORD_PLAIN_MAX)
        kgr_rd_fail(rd);
    return data;
}

static void write_data(struct kgr_wr *wr, struct kgr_slice data)
{
    if (data.len > KGR_RECORD_PLAIN_MAX)
        wr->failed = true;
    else
        kgr_wr_bytes(wr, data.p, data.len);
}

enum kgr_error kgr_ipc_send_decode(struct kgr_ipc_send *out, struct kgr_slice body)
{
    struct kgr_ipc_send m;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.peer);
    m.data = read_data(&rd);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_send_encode(struct kgr_wr *wr, const struct kgr_ipc_send *in)
{
    kgr_wire_write_nid(wr, &in->peer);
    write_data(wr, in->data);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_recv_decode(struct kgr_ipc_recv *out, struct kgr_slice body)
{
    struct kgr_ipc_recv m;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    m.peer = kgr_wire_read_opt_nid(&rd);
    m.timeout_ms = kgr_rd_u32(&rd);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_recv_encode(struct kgr_wr *wr, const struct kgr_ipc_recv *in)
{
    kgr_wire_write_vec8(wr, in->peer, KGR_NID_MAX);
    kgr_wr_u32(wr, in->timeout_ms);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_message_decode(struct kgr_ipc_message *out, struct kgr_slice body)
{
    struct kgr_ipc_message m;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.peer);
    m.generation = kgr_rd_u64(&rd);
    m.sequence = kgr_rd_u64(&rd);
    m.waiting = kgr_rd_u32(&rd);
    if (m.generation == 0 || m.sequence == 0)
        kgr_rd_fail(&rd);
    m.data = read_data(&rd);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_message_encode(struct kgr_wr *wr, const struct kgr_ipc_message *in)
{
    kgr_wire_write_nid(wr, &in->peer);
    kgr_wr_u64(wr, in->generation);
    kgr_wr_u64(wr, in->sequence);
    kgr_wr_u32(wr, in->waiting);
    write_data(wr, in->data);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_subscribe_decode(struct kgr_slice *out, struct kgr_slice body)
{
    struct kgr_slice peer;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    peer = kgr_wire_read_opt_nid(&rd);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = peer;
    return err;
}

enum kgr_error kgr_ipc_subscribe_encode(struct kgr_wr *wr, struct kgr_slice peer)
{
    kgr_wire_write_vec8(wr, peer, KGR_NID_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_event_decode(struct kgr_ipc_event *out, struct kgr_slice body)
{
    struct kgr_ipc_event m;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    m.type = kgr_wire_read_range(&rd, KGR_IPC_EVENT_FIRST, KGR_IPC_EVENT_LAST);
    m.peer = kgr_wire_read_opt_nid(&rd);
    m.generation = kgr_rd_u64(&rd);
    m.count = kgr_rd_u64(&rd);
    m.error = kgr_rd_u32(&rd);
    if (m.error >= KGR_ERR_COUNT)
        kgr_rd_fail(&rd);
    m.unix_s = kgr_rd_u64(&rd);
    m.text = kgr_wire_read_text8(&rd, KGR_IPC_EVENT_TEXT_MAX);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_event_encode(struct kgr_wr *wr, const struct kgr_ipc_event *in)
{
    kgr_wr_u8(wr, in->type);
    kgr_wire_write_vec8(wr, in->peer, KGR_NID_MAX);
    kgr_wr_u64(wr, in->generation);
    kgr_wr_u64(wr, in->count);
    kgr_wr_u32(wr, in->error);
    kgr_wr_u64(wr, in->unix_s);
    kgr_wire_write_text8(wr, in->text, KGR_IPC_EVENT_TEXT_MAX);
    return kgr_wire_write_result(wr);
}
