/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ipc_status.h"

#define PEER_MAY_SEND    0x01u
#define PEER_MAY_RECEIVE 0x02u
#define PEER_MIRRORED    0x04u

#define STATUS_REGISTERED 0x01u
#define STATUS_CONNECTED  0x02u
#define STATUS_RESIDENT   0x04u
#define STATUS_SEALED     0x08u
#define STATUS_PIN        0x10u

#define LAST_STATE 6

static struct kgr_slice read_topic(struct kgr_rd *rd)
{
    struct kgr_slice text = kgr_wire_read_text8(rd, KGR_TOPIC_TEXT_LEN);
    if (text.len != 0 && text.len != KGR_TOPIC_TEXT_LEN)
        kgr_rd_fail(rd);
    return text;
}

void kgr_ipc_peer_read(struct kgr_rd *rd, struct kgr_ipc_peer *out)
{
    kgr_wire_read_nid(rd, &out->peer);
    out->generation = kgr_rd_u64(rd);
    out->state = kgr_wire_read_range(rd, 0, LAST_STATE);
    out->custody = kgr_wire_read_range(rd, 0, 3);
    out->suite = kgr_wire_read_range(rd, 0, 2);
    uint8_t flags = kgr_wire_read_mask(rd, PEER_MAY_SEND | PEER_MAY_RECEIVE | PEER_MIRRORED);
    out->may_send = (flags & PEER_MAY_SEND) != 0;
    out->may_receive = (flags & PEER_MAY_RECEIVE) != 0;
    out->mirrored = (flags & PEER_MIRRORED) != 0;
    out->age_s = kgr_rd_u64(rd);
    out->expires_s = kgr_rd_u64(rd);
    kgr_rd_bytes(rd, out->iv, sizeof out->iv);
    out->receive_topic = read_topic(rd);
    out->send_topic = read_topic(rd);
    out->error = kgr_rd_u32(rd);
    if (out->error >= KGR_ERR_COUNT)
        kgr_rd_fail(rd);
    out->reason = kgr_wire_read_text8(rd, KGR_IPC_TEXT_MAX);
}

void kgr_ipc_peer_write(struct kgr_wr *wr, const struct kgr_ipc_peer *in)
{
    kgr_wire_write_nid(wr, &in->peer);
    kgr_wr_u64(wr, in->generation);
    kgr_wr_u8(wr, in->state);
    kgr_wr_u8(wr, in->custody);
    kgr_wr_u8(wr, in->suite);
    kgr_wr_u8(wr, (uint8_t)((in->may_send ? PEER_MAY_SEND : 0) |
                            (in->may_receive ? PEER_MAY_RECEIVE : 0) |
                            (in->mirrored ? PEER_MIRRORED : 0)));
    kgr_wr_u64(wr, in->age_s);
    kgr_wr_u64(wr, in->expires_s);
    kgr_wr_bytes(wr, in->iv, sizeof in->iv);
    kgr_wire_write_vec8(wr, in->receive_topic, KGR_TOPIC_TEXT_LEN);
    kgr_wire_write_vec8(wr, in->send_topic, KGR_TOPIC_TEXT_LEN);
    kgr_wr_u32(wr, in->error);
    kgr_wire_write_text8(wr, in->reason, KGR_IPC_TEXT_MAX);
}

enum kgr_error kgr_ipc_peer_decode(struct kgr_ipc_peer *out, struct kgr_slice body)
{
    struct kgr_ipc_peer m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_ipc_peer_read(&rd, &m);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

void kgr_ipc_peers_head_read(struct kgr_rd *rd, struct kgr_ipc_peers_head *out)
{
    out->total = kgr_rd_u32(rd);
    out->num = kgr_rd_u16(rd);
}

void kgr_ipc_peers_head_write(struct kgr_wr *wr, const struct kgr_ipc_peers_head *in)
{
    kgr_wr_u32(wr, in->total);
    kgr_wr_u16(wr, in->num);
}

enum kgr_error kgr_ipc_keys_decode(struct kgr_ipc_keys *out, struct kgr_slice body)
{
    struct kgr_ipc_keys m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    m.peer = kgr_wire_read_opt_nid(&rd);
    m.offset = kgr_rd_u32(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_keys_encode(struct kgr_wr *wr, const struct kgr_ipc_keys *in)
{
    kgr_wire_write_vec8(wr, in->peer, KGR_NID_MAX);
    kgr_wr_u32(wr, in->offset);
    return kgr_wire_write_result(wr);
}

static void read_causes(struct kgr_rd *rd, uint32_t out[KGR_IPC_CAUSES])
{
    for (size_t i = 0; i < KGR_IPC_CAUSES; i++)
        out[i] = kgr_rd_u32(rd);
}

static void write_causes(struct kgr_wr *wr, const uint32_t in[KGR_IPC_CAUSES])
{
    for (size_t i = 0; i < KGR_IPC_CAUSES; i++)
        kgr_wr_u32(wr, in[i]);
}

enum kgr_error kgr_ipc_status_decode(struct kgr_ipc_status *out, struct kgr_slice body)
{
    struct kgr_ipc_status m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    uint8_t flags = kgr_wire_read_mask(&rd, STATUS_REGISTERED | STATUS_CONNECTED | STATUS_RESIDENT |
                                                STATUS_SEALED | STATUS_PIN);
    m.registered = (flags & STATUS_REGISTERED) != 0;
    m.broker_connected = (flags & STATUS_CONNECTED) != 0;
    m.resident = (flags & STATUS_RESIDENT) != 0;
    m.sealed = (flags & STATUS_SEALED) != 0;
    m.pin = (flags & STATUS_PIN) != 0;
    m.node = kgr_wire_read_opt_nid(&rd);
    m.version = kgr_wire_read_text8(&rd, KGR_IPC_PROGRAM_MAX);
    m.broker = kgr_wire_read_text16(&rd, KGR_IPC_BROKER_MAX);
    m.ks_answer_age_s = kgr_rd_u64(&rd);
    m.lease_s = kgr_rd_u64(&rd);
    m.epoch = kgr_rd_u32(&rd);
    m.num_peers = kgr_rd_u32(&rd);
    m.tpm = kgr_wire_read_text8(&rd, KGR_IPC_TPM_MAX);
    m.modes = kgr_rd_u32(&rd);
    m.frames_refused = kgr_rd_u32(&rd);
    m.alarms = kgr_wire_read_text16(&rd, KGR_IPC_ALARMS_MAX);
    m.messages_sent = kgr_rd_u64(&rd);
    m.messages_accepted = kgr_rd_u64(&rd);
    m.messages_waiting = kgr_rd_u32(&rd);
    for (size_t i = 0; i < KGR_IPC_REFUSALS; i++)
        m.messages_refused[i] = kgr_rd_u32(&rd);
    read_causes(&rd, m.frames_refused_by);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_status_encode(struct kgr_wr *wr, const struct kgr_ipc_status *in)
{
    kgr_wr_u8(wr, (uint8_t)((in->registered ? STATUS_REGISTERED : 0) |
                            (in->broker_connected ? STATUS_CONNECTED : 0) |
                            (in->resident ? STATUS_RESIDENT : 0) |
                            (in->sealed ? STATUS_SEALED : 0) | (in->pin ? STATUS_PIN : 0)));
    kgr_wire_write_vec8(wr, in->node, KGR_NID_MAX);
    kgr_wire_write_text8(wr, in->version, KGR_IPC_PROGRAM_MAX);
    kgr_wire_write_text16(wr, in->broker, KGR_IPC_BROKER_MAX);
    kgr_wr_u64(wr, in->ks_answer_age_s);
    kgr_wr_u64(wr, in->lease_s);
    kgr_wr_u32(wr, in->epoch);
    kgr_wr_u32(wr, in->num_peers);
    kgr_wire_write_text8(wr, in->tpm, KGR_IPC_TPM_MAX);
    kgr_wr_u32(wr, in->modes);
    kgr_wr_u32(wr, in->frames_refused);
    kgr_wire_write_text16(wr, in->alarms, KGR_IPC_ALARMS_MAX);
    kgr_wr_u64(wr, in->messages_sent);
    kgr_wr_u64(wr, in->messages_accepted);
    kgr_wr_u32(wr, in->messages_waiting);
    for (size_t i = 0; i < KGR_IPC_REFUSALS; i++)
        kgr_wr_u32(wr, in->messages_refused[i]);
    write_causes(wr, in->frames_refused_by);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_ks_status_decode(struct kgr_ipc_ks_status *out, struct kgr_slice body)
{
    struct kgr_ipc_ks_status m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    m.version = kgr_wire_read_text8(&rd, KGR_IPC_PROGRAM_MAX);
    m.epoch = kgr_rd_u32(&rd);
    m.broker_connected = kgr_wire_read_flag(&rd);
    m.broker = kgr_wire_read_text16(&rd, KGR_IPC_BROKER_MAX);
    m.nodes = kgr_rd_u32(&rd);
    m.registered = kgr_rd_u32(&rd);
    m.open_exchanges = kgr_rd_u32(&rd);
    m.holding_duplicates = kgr_rd_u32(&rd);
    m.frames_refused = kgr_rd_u32(&rd);
    m.tpm = kgr_wire_read_text8(&rd, KGR_IPC_TPM_MAX);
    kgr_rd_bytes(&rd, m.topic0, sizeof m.topic0);
    m.alarms = kgr_wire_read_text16(&rd, KGR_IPC_ALARMS_MAX);
    m.entropy = kgr_wire_read_text16(&rd, KGR_IPC_ENTROPY_MAX);
    read_causes(&rd, m.frames_refused_by);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_ks_status_encode(struct kgr_wr *wr, const struct kgr_ipc_ks_status *in)
{
    kgr_wire_write_text8(wr, in->version, KGR_IPC_PROGRAM_MAX);
    kgr_wr_u32(wr, in->epoch);
    kgr_wr_u8(wr, in->broker_connected ? 1 : 0);
    kgr_wire_write_text16(wr, in->broker, KGR_IPC_BROKER_MAX);
    kgr_wr_u32(wr, in->nodes);
    kgr_wr_u32(wr, in->registered);
    kgr_wr_u32(wr, in->open_exchanges);
    kgr_wr_u32(wr, in->holding_duplicates);
    kgr_wr_u32(wr, in->frames_refused);
    kgr_wire_write_text8(wr, in->tpm, KGR_IPC_TPM_MAX);
    kgr_wr_bytes(wr, in->topic0, sizeof in->topic0);
    kgr_wire_write_text16(wr, in->alarms, KGR_IPC_ALARMS_MAX);
    kgr_wire_write_text16(wr, in->entropy, KGR_IPC_ENTROPY_MAX);
    write_causes(wr, in->frames_refused_by);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_audit_decode(struct kgr_ipc_audit *out, struct kgr_slice body)
{
    struct kgr_ipc_audit m;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    m.from = kgr_rd_u64(&rd);
    m.sign = kgr_wire_read_flag(&rd);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_audit_encode(struct kgr_wr *wr, const struct kgr_ipc_audit *in)
{
    kgr_wr_u64(wr, in->from);
    kgr_wr_u8(wr, in->sign ? 1 : 0);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_reload_decode(struct kgr_ipc_reload *out, struct kgr_slice body)
{
    struct kgr_ipc_reload m;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    m.refused = kgr_wire_read_flag(&rd);
    m.text = kgr_wire_read_text16(&rd, KGR_IPC_RELOAD_TEXT_MAX);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_reload_encode(struct kgr_wr *wr, const struct kgr_ipc_reload *in)
{
    kgr_wr_u8(wr, in->refused);
    kgr_wire_write_text16(wr, in->text, KGR_IPC_RELOAD_TEXT_MAX);
    return kgr_wire_write_result(wr);
}
