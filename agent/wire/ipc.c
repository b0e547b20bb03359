/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ipc.h"

#include <string.h>

#define FLAG_REPLY  0x0001u
#define FLAG_STORED 0x01u

static const char magic[5] = "KGRI";

enum kgr_error kgr_ipc_header_decode(struct kgr_ipc_header *out, struct kgr_slice *out_body,
                                     struct kgr_slice packet)
{
    struct kgr_ipc_header h = {0};
    struct kgr_rd rd;
    if (packet.len > KGR_IPC_PACKET_MAX)
        return KGR_ERR_TOO_LARGE;
    kgr_rd_init(&rd, packet.p, packet.len);
    const uint8_t *m = kgr_rd_ref(&rd, 4);
    if (m == NULL || memcmp(m, magic, 4) != 0)
        return KGR_ERR_CORRUPT;
    h.op = kgr_rd_u16(&rd);
    uint16_t flags = kgr_rd_u16(&rd);
    h.reply = (flags & FLAG_REPLY) != 0;
    h.id = kgr_rd_u32(&rd);
    h.status = kgr_rd_u32(&rd);
    if (!kgr_rd_ok(&rd) || (flags & ~FLAG_REPLY) != 0 || (!h.reply && h.status != 0))
        return KGR_ERR_CORRUPT;
    *out_body = kgr_rd_rest(&rd);
    *out = h;
    return KGR_OK;
}

void kgr_ipc_header_encode(struct kgr_wr *wr, const struct kgr_ipc_header *in)
{
    kgr_wr_bytes(wr, magic, 4);
    kgr_wr_u16(wr, in->op);
    kgr_wr_u16(wr, in->reply ? FLAG_REPLY : 0);
    kgr_wr_u32(wr, in->id);
    kgr_wr_u32(wr, in->status);
}

enum kgr_error kgr_ipc_error_encode(struct kgr_wr *wr, const struct kgr_ipc_header *request,
                                    enum kgr_error status, const char *text)
{
    const struct kgr_ipc_header h = {request->op, true, request->id, (uint32_t)status};
    size_t len = text == NULL ? 0 : strnlen(text, KGR_IPC_TEXT_MAX);
    kgr_ipc_header_encode(wr, &h);
    kgr_wire_write_text8(wr, kgr_slice(text, len), KGR_IPC_TEXT_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_error_decode(char out[KGR_IPC_TEXT_MAX + 1], struct kgr_slice body)
{
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    struct kgr_slice text = kgr_wire_read_text8(&rd, KGR_IPC_TEXT_MAX);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err != KGR_OK)
        return err;
    kgr_copy(out, text.p, text.len);
    out[text.len] = '\0';
    return KGR_OK;
}

/* What is left of the packet, at most max bytes. */
static struct kgr_slice read_data(struct kgr_rd *rd, size_t max)
{
    struct kgr_slice data = kgr_rd_rest(rd);
    if (data.len > max)
        kgr_rd_fail(rd);
    return data;
}

static void write_data(struct kgr_wr *wr, struct kgr_slice data, size_t max)
{
    if (data.len > max)
        wr->failed = true;
    else
        kgr_wr_bytes(wr, data.p, data.len);
}

static void read_key(struct kgr_rd *rd, struct kgr_ipc_key *out)
{
    kgr_wire_read_nid(rd, &out->peer);
    out->generation = kgr_rd_u64(rd);
}

static void write_key(struct kgr_wr *wr, const struct kgr_ipc_key *in)
{
    kgr_wire_write_nid(wr, &in->peer);
    kgr_wr_u64(wr, in->generation);
}

enum kgr_error kgr_ipc_hello_decode(struct kgr_ipc_hello *out, struct kgr_slice body)
{
    struct kgr_ipc_hello m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    m.lowest = kgr_rd_u16(&rd);
    m.highest = kgr_rd_u16(&rd);
    m.name = kgr_wire_read_text8(&rd, KGR_IPC_NAME_MAX);
    if (m.lowest > m.highest)
        kgr_rd_fail(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_hello_encode(struct kgr_wr *wr, const struct kgr_ipc_hello *in)
{
    kgr_wr_u16(wr, in->lowest);
    kgr_wr_u16(wr, in->highest);
    kgr_wire_write_text8(wr, in->name, KGR_IPC_NAME_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_hello_reply_decode(struct kgr_ipc_hello_reply *out, struct kgr_slice body)
{
    struct kgr_ipc_hello_reply m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    m.version = kgr_rd_u16(&rd);
    m.program = kgr_wire_read_text8(&rd, KGR_IPC_PROGRAM_MAX);
    m.node = kgr_wire_read_opt_nid(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_hello_reply_encode(struct kgr_wr *wr, const struct kgr_ipc_hello_reply *in)
{
    kgr_wr_u16(wr, in->version);
    kgr_wire_write_text8(wr, in->program, KGR_IPC_PROGRAM_MAX);
    kgr_wire_write_vec8(wr, in->node, KGR_NID_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_key_decode(struct kgr_ipc_key *out, struct kgr_slice body)
{
    struct kgr_ipc_key m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    read_key(&rd, &m);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_key_encode(struct kgr_wr *wr, const struct kgr_ipc_key *in)
{
    write_key(wr, in);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_handle_decode(struct kgr_ipc_handle *out, struct kgr_slice body)
{
    struct kgr_ipc_handle m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.peer);
    m.key_len = kgr_wire_read_range(&rd, 16, 64);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_handle_encode(struct kgr_wr *wr, const struct kgr_ipc_handle *in)
{
    kgr_wire_write_nid(wr, &in->peer);
    kgr_wr_u8(wr, in->key_len);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_resolve_decode(struct kgr_slice *out, struct kgr_slice body)
{
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    struct kgr_slice handle = kgr_rd_vec8(&rd, 64);
    if (handle.len < 16)
        kgr_rd_fail(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = handle;
    return err;
}

enum kgr_error kgr_ipc_resolve_encode(struct kgr_wr *wr, struct kgr_slice handle)
{
    kgr_wire_write_vec8(wr, handle, 64);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_request_decode(struct kgr_ipc_request *out, struct kgr_slice body)
{
    struct kgr_ipc_request m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.peer);
    m.cause = kgr_rd_u8(&rd);
    if (m.cause != 0 && m.cause != 2)
        kgr_rd_fail(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_request_encode(struct kgr_wr *wr, const struct kgr_ipc_request *in)
{
    kgr_wire_write_nid(wr, &in->peer);
    kgr_wr_u8(wr, in->cause);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_wait_decode(struct kgr_ipc_wait *out, struct kgr_slice body)
{
    struct kgr_ipc_wait m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.peer);
    m.generation = kgr_rd_u64(&rd);
    m.timeout_ms = kgr_rd_u32(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_wait_encode(struct kgr_wr *wr, const struct kgr_ipc_wait *in)
{
    kgr_wire_write_nid(wr, &in->peer);
    kgr_wr_u64(wr, in->generation);
    kgr_wr_u32(wr, in->timeout_ms);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_rekey_decode(struct kgr_ipc_rekey *out, struct kgr_slice body)
{
    struct kgr_ipc_rekey m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    m.storage = kgr_wire_read_flag(&rd);
    m.timeout_ms = kgr_rd_u32(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_rekey_encode(struct kgr_wr *wr, const struct kgr_ipc_rekey *in)
{
    kgr_wr_u8(wr, in->storage ? 1 : 0);
    kgr_wr_u32(wr, in->timeout_ms);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_cipher_decode(struct kgr_ipc_cipher *out, struct kgr_slice body)
{
    struct kgr_ipc_cipher m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    read_key(&rd, &m.key);
    m.direction = kgr_wire_read_range(&rd, 1, 2);
    m.mode = kgr_wire_read_range(&rd, 1, 5);
    kgr_rd_bytes(&rd, m.iv, sizeof m.iv);
    m.data = read_data(&rd, KGR_IPC_DATA_MAX);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_cipher_encode(struct kgr_wr *wr, const struct kgr_ipc_cipher *in)
{
    write_key(wr, &in->key);
    kgr_wr_u8(wr, in->direction);
    kgr_wr_u8(wr, in->mode);
    kgr_wr_bytes(wr, in->iv, sizeof in->iv);
    write_data(wr, in->data, KGR_IPC_DATA_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_cipher_reply_decode(struct kgr_ipc_cipher_reply *out, struct kgr_slice body)
{
    struct kgr_ipc_cipher_reply m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_rd_bytes(&rd, m.iv, sizeof m.iv);
    m.data = read_data(&rd, KGR_IPC_DATA_MAX);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_cipher_reply_encode(struct kgr_wr *wr, const struct kgr_ipc_cipher_reply *in)
{
    kgr_wr_bytes(wr, in->iv, sizeof in->iv);
    write_data(wr, in->data, KGR_IPC_DATA_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_mac_decode(struct kgr_ipc_mac *out, struct kgr_slice body)
{
    struct kgr_ipc_mac m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    read_key(&rd, &m.key);
    m.data = read_data(&rd, KGR_IPC_DATA_MAX);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_mac_encode(struct kgr_wr *wr, const struct kgr_ipc_mac *in)
{
    write_key(wr, &in->key);
    write_data(wr, in->data, KGR_IPC_DATA_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_mac_update_decode(struct kgr_ipc_mac_update *out, struct kgr_slice body)
{
    struct kgr_ipc_mac_update m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    m.id = kgr_rd_u32(&rd);
    m.data = read_data(&rd, KGR_IPC_DATA_MAX);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_mac_update_encode(struct kgr_wr *wr, const struct kgr_ipc_mac_update *in)
{
    kgr_wr_u32(wr, in->id);
    write_data(wr, in->data, KGR_IPC_DATA_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_seal_decode(struct kgr_ipc_seal *out, struct kgr_slice body)
{
    struct kgr_ipc_seal m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.peer);
    m.stored = kgr_wire_read_mask(&rd, FLAG_STORED) != 0;
    m.aad = kgr_rd_vec16(&rd, KGR_IPC_AAD_MAX);
    m.data = read_data(&rd, KGR_IPC_RECORD_MAX);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_seal_encode(struct kgr_wr *wr, const struct kgr_ipc_seal *in)
{
    kgr_wire_write_nid(wr, &in->peer);
    kgr_wr_u8(wr, in->stored ? FLAG_STORED : 0);
    kgr_wire_write_vec16(wr, in->aad, KGR_IPC_AAD_MAX);
    write_data(wr, in->data, KGR_IPC_RECORD_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_u32_decode(uint32_t *out, struct kgr_slice body)
{
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    uint32_t value = kgr_rd_u32(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = value;
    return err;
}

enum kgr_error kgr_ipc_u32_encode(struct kgr_wr *wr, uint32_t value)
{
    kgr_wr_u32(wr, value);
    return kgr_wire_write_result(wr);
}
