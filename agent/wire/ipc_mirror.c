/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ipc_mirror.h"

/* An absolute path without control characters, which would deceive who reads it in a list. */
static void check_store(struct kgr_rd *rd, struct kgr_slice store)
{
    if (store.len == 0 || store.p[0] != '/')
        kgr_rd_fail(rd);
    for (size_t i = 0; i < store.len; i++)
        if (store.p[i] < 0x20 || store.p[i] == 0x7f)
            kgr_rd_fail(rd);
}

static void read_mirror(struct kgr_rd *rd, struct kgr_ipc_mirror *out)
{
    out->store = kgr_rd_vec16(rd, KGR_IPC_STORE_MAX);
    check_store(rd, out->store);
    out->token = kgr_wire_read_text8(rd, KGR_IPC_TOKEN_MAX);
    if (out->token.len == 0)
        kgr_rd_fail(rd);
    out->peer = kgr_wire_read_opt_nid(rd);
}

static void write_mirror(struct kgr_wr *wr, const struct kgr_ipc_mirror *in)
{
    if (in->store.len > KGR_IPC_STORE_MAX)
        wr->failed = true;
    kgr_wr_vec16(wr, in->store);
    kgr_wire_write_vec8(wr, in->token, KGR_IPC_TOKEN_MAX);
    kgr_wire_write_vec8(wr, in->peer, KGR_NID_MAX);
}

enum kgr_error kgr_ipc_mirror_add_decode(struct kgr_ipc_mirror_add *out, struct kgr_slice body)
{
    struct kgr_ipc_mirror_add m;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    read_mirror(&rd, &m.mirror);
    m.pin = kgr_rd_vec8(&rd, KGR_IPC_PIN_MAX);
    if (m.pin.len == 0)
        kgr_rd_fail(&rd);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_mirror_add_encode(struct kgr_wr *wr, const struct kgr_ipc_mirror_add *in)
{
    write_mirror(wr, &in->mirror);
    kgr_wire_write_vec8(wr, in->pin, KGR_IPC_PIN_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_mirror_decode(struct kgr_ipc_mirror *out, struct kgr_slice body)
{
    struct kgr_ipc_mirror m;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    read_mirror(&rd, &m);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_mirror_encode(struct kgr_wr *wr, const struct kgr_ipc_mirror *in)
{
    write_mirror(wr, in);
    return kgr_wire_write_result(wr);
}

void kgr_ipc_mirror_entry_read(struct kgr_rd *rd, struct kgr_ipc_mirror_entry *out)
{
    read_mirror(rd, &out->mirror);
    out->configured = kgr_wire_read_flag(rd);
    out->objects = kgr_rd_u32(rd);
    out->error = kgr_rd_u32(rd);
    if (out->error >= KGR_ERR_COUNT)
        kgr_rd_fail(rd);
    out->reason = kgr_wire_read_text8(rd, KGR_IPC_TEXT_MAX);
}

void kgr_ipc_mirror_entry_write(struct kgr_wr *wr, const struct kgr_ipc_mirror_entry *in)
{
    write_mirror(wr, &in->mirror);
    kgr_wr_u8(wr, in->configured ? 1 : 0);
    kgr_wr_u32(wr, in->objects);
    kgr_wr_u32(wr, in->error);
    kgr_wire_write_text8(wr, in->reason, KGR_IPC_TEXT_MAX);
}
