/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ipc_batch.h"

#define FLAG_STORED 0x01u

static struct kgr_slice read_long(struct kgr_rd *rd, size_t max)
{
    uint32_t len = kgr_rd_u32(rd);

    if (len > max)
        kgr_rd_fail(rd);
    return kgr_rd_ok(rd) ? kgr_slice(kgr_rd_ref(rd, len), len) : kgr_slice(NULL, 0);
}

static void write_long(struct kgr_wr *wr, struct kgr_slice s, size_t max)
{
    if (s.len > max)
        wr->failed = true;
    kgr_wr_u32(wr, (uint32_t)s.len);
    kgr_wr_bytes(wr, s.p, s.len);
}

enum kgr_error kgr_ipc_batch_decode(struct kgr_ipc_batch *out, struct kgr_ipc_batch_item *items,
                                    struct kgr_slice body)
{
    struct kgr_ipc_batch m;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.peer);
    m.stored = kgr_wire_read_mask(&rd, FLAG_STORED) != 0;
    m.num = kgr_rd_u16(&rd);
    if (m.num == 0 || m.num > KGR_IPC_BATCH_MAX)
        kgr_rd_fail(&rd);
    for (size_t i = 0; kgr_rd_ok(&rd) && i < m.num; i++) {
        items[i].aad = kgr_rd_vec16(&rd, KGR_IPC_AAD_MAX);
        items[i].data = read_long(&rd, KGR_IPC_RECORD_MAX);
    }
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

void kgr_ipc_batch_head_write(struct kgr_wr *wr, const struct kgr_ipc_batch *in)
{
    if (in->num == 0 || in->num > KGR_IPC_BATCH_MAX)
        wr->failed = true;
    kgr_wire_write_nid(wr, &in->peer);
    kgr_wr_u8(wr, in->stored ? FLAG_STORED : 0);
    kgr_wr_u16(wr, (uint16_t)in->num);
}

void kgr_ipc_batch_item_write(struct kgr_wr *wr, const struct kgr_ipc_batch_item *item)
{
    kgr_wire_write_vec16(wr, item->aad, KGR_IPC_AAD_MAX);
    write_long(wr, item->data, KGR_IPC_RECORD_MAX);
}

size_t kgr_ipc_batch_item_len(const struct kgr_ipc_batch_item *item)
{
    return 2 + item->aad.len + 4 + item->data.len;
}

void kgr_ipc_sealed_write(struct kgr_wr *wr, struct kgr_slice record)
{
    write_long(wr, record, KGR_IPC_RECORD_MAX);
}

uint8_t *kgr_ipc_sealed_reserve(struct kgr_wr *wr, size_t len)
{
    kgr_wr_u32(wr, (uint32_t)len);
    return kgr_wr_reserve(wr, len);
}

struct kgr_slice kgr_ipc_sealed_read(struct kgr_rd *rd)
{
    return read_long(rd, KGR_IPC_RECORD_MAX);
}

void kgr_ipc_opened_write(struct kgr_wr *wr, const struct kgr_ipc_opened *in)
{
    struct kgr_slice data = in->data;

    kgr_wr_u32(wr, in->status);
    if (in->status != KGR_OK && data.len > KGR_IPC_TEXT_MAX)
        data.len = KGR_IPC_TEXT_MAX;
    write_long(wr, data, KGR_IPC_DATA_MAX);
}

void kgr_ipc_opened_read(struct kgr_rd *rd, struct kgr_ipc_opened *out)
{
    out->status = kgr_rd_u32(rd);
    out->data = read_long(rd, out->status == KGR_OK ? KGR_IPC_DATA_MAX : KGR_IPC_TEXT_MAX);
}
