/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_exchange.h"

const uint8_t kgr_kc_magic[8] = {'K', 'G', 'R', 'k', 'c', 0, 0, 1};

static void read_head(struct kgr_rd *rd, struct kgr_exchange_head *out)
{
    kgr_wire_read_two_nids(rd, &out->nid1, &out->nid2);
    kgr_rd_bytes(rd, out->pxid, sizeof out->pxid);
    out->generation = kgr_rd_u64(rd);
    if (out->generation == 0)
        kgr_rd_fail(rd);
}

static void write_head(struct kgr_wr *wr, const struct kgr_exchange_head *in)
{
    kgr_wire_write_nid(wr, &in->nid1);
    kgr_wire_write_nid(wr, &in->nid2);
    kgr_wr_bytes(wr, in->pxid, sizeof in->pxid);
    kgr_wr_u64(wr, in->generation);
}

/* As long as the hash of a suite. */
static struct kgr_slice read_kc(struct kgr_rd *rd)
{
    struct kgr_slice kc = kgr_rd_vec8(rd, KGR_HASH_MAX);
    if (kc.len != kgr_suite_hash_len(KGR_SUITE_AES128_SHA256) &&
        kc.len != kgr_suite_hash_len(KGR_SUITE_AES256_SHA384))
        kgr_rd_fail(rd);
    return kc;
}

enum kgr_error kgr_key_req_decode(struct kgr_key_req *out, struct kgr_slice body)
{
    struct kgr_key_req m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_two_nids(&rd, &m.nid1, &m.nid2);
    kgr_rd_bytes(&rd, m.topic3, sizeof m.topic3);
    m.highest = kgr_rd_u64(&rd);
    m.cause = kgr_wire_read_range(&rd, KGR_CAUSE_FIRST, KGR_CAUSE_DEMAND);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_key_req_encode(struct kgr_wr *wr, const struct kgr_key_req *in)
{
    kgr_wire_write_nid(wr, &in->nid1);
    kgr_wire_write_nid(wr, &in->nid2);
    kgr_wr_bytes(wr, in->topic3, sizeof in->topic3);
    kgr_wr_u64(wr, in->highest);
    kgr_wr_u8(wr, in->cause);
    return kgr_wire_write_result(wr);
}

static void read_key_ans(struct kgr_rd *rd, struct kgr_key_ans *out)
{
    read_head(rd, &out->head);
    out->suite = kgr_wire_read_range(rd, 1, 2);
    out->custody = kgr_wire_read_range(rd, KGR_WIRE_RESIDENT, KGR_WIRE_SEALED);
    out->lifetime_s = kgr_rd_u32(rd);
    kgr_rd_bytes(rd, out->iv, sizeof out->iv);
    kgr_wire_read_object(rd, &out->nnsk);
    kgr_wire_read_object(rd, &out->nnsksign);
}

enum kgr_error kgr_key_ans_decode(struct kgr_key_ans *out, struct kgr_slice body)
{
    struct kgr_key_ans m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    read_key_ans(&rd, &m);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_key_ans_encode(struct kgr_wr *wr, const struct kgr_key_ans *in)
{
    write_head(wr, &in->head);
    kgr_wr_u8(wr, in->suite);
    kgr_wr_u8(wr, in->custody);
    kgr_wr_u32(wr, in->lifetime_s);
    kgr_wr_bytes(wr, in->iv, sizeof in->iv);
    kgr_wire_write_object(wr, &in->nnsk);
    kgr_wire_write_object(wr, &in->nnsksign);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_adv_req_decode(struct kgr_adv_req *out, struct kgr_slice body)
{
    struct kgr_adv_req m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    read_key_ans(&rd, &m.key);
    kgr_rd_bytes(&rd, m.topic3, sizeof m.topic3);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_adv_req_encode(struct kgr_wr *wr, const struct kgr_adv_req *in)
{
    enum kgr_error err = kgr_key_ans_encode(wr, &in->key);
    if (err != KGR_OK)
        return err;
    kgr_wr_bytes(wr, in->topic3, sizeof in->topic3);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_adv_ans_decode(struct kgr_adv_ans *out, struct kgr_slice body)
{
    struct kgr_adv_ans m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    read_head(&rd, &m.head);
    kgr_rd_bytes(&rd, m.topic4, sizeof m.topic4);
    m.kc = read_kc(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_adv_ans_encode(struct kgr_wr *wr, const struct kgr_adv_ans *in)
{
    write_head(wr, &in->head);
    kgr_wr_bytes(wr, in->topic4, sizeof in->topic4);
    kgr_wire_write_vec8(wr, in->kc, KGR_HASH_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_conf_ans_decode(struct kgr_conf_ans *out, struct kgr_slice body)
{
    struct kgr_conf_ans m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    read_head(&rd, &m.head);
    m.kc = read_kc(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_conf_ans_encode(struct kgr_wr *wr, const struct kgr_conf_ans *in)
{
    write_head(wr, &in->head);
    kgr_wire_write_vec8(wr, in->kc, KGR_HASH_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_nack_decode(struct kgr_nack *out, struct kgr_slice body)
{
    struct kgr_nack m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    m.type = kgr_rd_u8(&rd);
    m.sequence = kgr_rd_u64(&rd);
    m.reason = kgr_wire_read_range(&rd, KGR_NACK_NOT_AUTHORIZED, KGR_NACK_UNPROVEN);
    if (m.reason > KGR_NACK_ABORTED && m.reason != KGR_NACK_UNPROVEN)
        kgr_rd_fail(&rd);
    m.retry_after_s = kgr_rd_u32(&rd);
    m.generation = kgr_rd_u64(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_nack_encode(struct kgr_wr *wr, const struct kgr_nack *in)
{
    kgr_wr_u8(wr, in->type);
    kgr_wr_u64(wr, in->sequence);
    kgr_wr_u8(wr, in->reason);
    kgr_wr_u32(wr, in->retry_after_s);
    kgr_wr_u64(wr, in->generation);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_kc_input(struct kgr_wr *wr, const struct kgr_kc *in)
{
    kgr_wr_bytes(wr, kgr_kc_magic, sizeof kgr_kc_magic);
    kgr_wr_u8(wr, in->role);
    kgr_wr_bytes(wr, in->pxid, sizeof in->pxid);
    kgr_wr_u64(wr, in->generation);
    kgr_wr_u8(wr, in->suite);
    for (size_t i = 0; i < 2; i++)
        kgr_wire_write_nid(wr, &in->nids[i]);
    for (size_t i = 0; i < 2; i++)
        kgr_wr_bytes(wr, in->topics[i], KGR_TOPIC_LEN);
    kgr_wr_vec16(wr, in->name_enc);
    kgr_wr_vec16(wr, in->name_mac);
    return kgr_wire_write_result(wr);
}
