/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/ac_grant.h"

void kgr_ac_grant_read(struct kgr_rd *rd, struct kgr_ac_grant *out)
{
    kgr_rd_bytes(rd, out->key_id, sizeof out->key_id);
    kgr_rd_bytes(rd, out->topic1, sizeof out->topic1);
    kgr_rd_bytes(rd, out->topic2, sizeof out->topic2);
    out->credential = kgr_rd_vec16(rd, KGR_WIRE_CREDENTIAL_MAX);
    out->secret = kgr_rd_vec16(rd, KGR_WIRE_SECRET_MAX);
    kgr_wire_read_object(rd, &out->nksk);
    kgr_wire_read_object(rd, &out->nksksign);
}

void kgr_ac_grant_write(struct kgr_wr *wr, const struct kgr_ac_grant *in)
{
    kgr_wr_bytes(wr, in->key_id, sizeof in->key_id);
    kgr_wr_bytes(wr, in->topic1, sizeof in->topic1);
    kgr_wr_bytes(wr, in->topic2, sizeof in->topic2);
    kgr_wire_write_vec16(wr, in->credential, KGR_WIRE_CREDENTIAL_MAX);
    kgr_wire_write_vec16(wr, in->secret, KGR_WIRE_SECRET_MAX);
    kgr_wire_write_object(wr, &in->nksk);
    kgr_wire_write_object(wr, &in->nksksign);
}

enum kgr_error kgr_ac_grant_decode(struct kgr_ac_grant *out, struct kgr_slice body)
{
    struct kgr_ac_grant m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_ac_grant_read(&rd, &m);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_ac_grant_encode(struct kgr_wr *wr, const struct kgr_ac_grant *in)
{
    kgr_ac_grant_write(wr, in);
    return kgr_wire_write_result(wr);
}
