/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_nksk.h"

enum kgr_error kgr_nksk_req_decode(struct kgr_nksk_req *out, struct kgr_slice body)
{
    struct kgr_nksk_req m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.node);
    m.suites = kgr_wire_read_mask(&rd, KGR_SUITES_MASK);
    m.custodies = kgr_wire_read_mask(&rd, KGR_CUSTODIES_MASK);
    kgr_rd_bytes(&rd, m.topic2, sizeof m.topic2);
    kgr_rd_bytes(&rd, m.nonce_n, sizeof m.nonce_n);
    m.storage = kgr_rd_vec16(&rd, KGR_WIRE_PUBLIC_MAX);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_nksk_req_encode(struct kgr_wr *wr, const struct kgr_nksk_req *in)
{
    kgr_wire_write_nid(wr, &in->node);
    kgr_wr_u8(wr, in->suites);
    kgr_wr_u8(wr, in->custodies);
    kgr_wr_bytes(wr, in->topic2, sizeof in->topic2);
    kgr_wr_bytes(wr, in->nonce_n, sizeof in->nonce_n);
    kgr_wire_write_vec16(wr, in->storage, KGR_WIRE_PUBLIC_MAX);
    return kgr_wire_write_result(wr);
}
