/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ipc_etm.h"

static bool is_tag(struct kgr_slice tag)
{
    return tag.len == kgr_suite_tag_len(KGR_SUITE_AES128_SHA256) ||
           tag.len == kgr_suite_tag_len(KGR_SUITE_AES256_SHA384);
}

enum kgr_error kgr_ipc_etm_decode(struct kgr_ipc_etm *out, bool opens, struct kgr_slice body)
{
    struct kgr_ipc_etm m = {.tag = kgr_slice(NULL, 0)};
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.key.peer);
    m.key.generation = kgr_rd_u64(&rd);
    kgr_rd_bytes(&rd, m.iv, sizeof(m.iv));
    m.aad = kgr_rd_vec16(&rd, KGR_IPC_AAD_MAX);
    if (opens) {
        m.tag = kgr_rd_vec8(&rd, KGR_TAG_MAX);
        if (!is_tag(m.tag))
            kgr_rd_fail(&rd);
    }
    m.data = kgr_rd_rest(&rd);
    if (m.data.len > KGR_IPC_DATA_MAX + (opens ? KGR_BLOCK_LEN : 0))
        kgr_rd_fail(&rd);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ipc_etm_encode(struct kgr_wr *wr, bool opens, const struct kgr_ipc_etm *in)
{
    kgr_wire_write_nid(wr, &in->key.peer);
    kgr_wr_u64(wr, in->key.generation);
    kgr_wr_bytes(wr, in->iv, sizeof(in->iv));
    kgr_wire_write_vec16(wr, in->aad, KGR_IPC_AAD_MAX);
    if (opens)
        kgr_wire_write_vec8(wr, in->tag, KGR_TAG_MAX);
    if (in->data.len > KGR_IPC_DATA_MAX + (opens ? KGR_BLOCK_LEN : 0))
        wr->failed = true;
    kgr_wr_bytes(wr, in->data.p, in->data.len);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_etm_reply_decode(struct kgr_ipc_etm_reply *out, struct kgr_slice body)
{
    struct kgr_ipc_etm_reply m;
    struct kgr_rd rd;
    enum kgr_error err;

    kgr_rd_init(&rd, body.p, body.len);
    m.generation = kgr_rd_u64(&rd);
    if (m.generation == 0)
        kgr_rd_fail(&rd);
    m.sealed = kgr_rd_rest(&rd);
    err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

void kgr_ipc_etm_reply_begin(struct kgr_wr *wr, uint64_t generation)
{
    kgr_wr_u64(wr, generation);
}
