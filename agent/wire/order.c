/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/order.h"

#include <stdio.h>
#include <string.h>

#define ORDER_VERSION 1
#define MAGIC_LEN     4

static const char order_magic[MAGIC_LEN + 1] = "KGRO";
static const char result_magic[MAGIC_LEN + 1] = "KGRA";

static void read_magic(struct kgr_rd *rd, const char *magic)
{
    const uint8_t *p = kgr_rd_ref(rd, MAGIC_LEN);
    if (p == NULL || memcmp(p, magic, MAGIC_LEN) != 0 || kgr_rd_u8(rd) != ORDER_VERSION)
        kgr_rd_fail(rd);
}

static void write_magic(struct kgr_wr *wr, const char *magic)
{
    kgr_wr_bytes(wr, magic, MAGIC_LEN);
    kgr_wr_u8(wr, ORDER_VERSION);
}

static const uint8_t *read_signature(struct kgr_rd *rd)
{
    struct kgr_slice s = kgr_rd_vec8(rd, KGR_SIGNATURE_LEN);
    if (s.len != KGR_SIGNATURE_LEN)
        kgr_rd_fail(rd);
    return s.p;
}

enum kgr_error kgr_signature_append(struct kgr_wr *wr, const uint8_t signature[KGR_SIGNATURE_LEN])
{
    kgr_wr_vec8(wr, kgr_slice(signature, KGR_SIGNATURE_LEN));
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_order_decode(struct kgr_order *out, struct kgr_slice bytes)
{
    struct kgr_order m = {0};
    struct kgr_rd rd;
    kgr_rd_init(&rd, bytes.p, bytes.len);
    read_magic(&rd, order_magic);
    m.kind = kgr_rd_u8(&rd);
    kgr_rd_bytes(&rd, m.ks, sizeof m.ks);
    m.number = kgr_rd_u64(&rd);
    m.expires = kgr_rd_u64(&rd);
    m.body = kgr_rd_vec16(&rd, KGR_ORDER_BODY_MAX);
    m.covered = kgr_slice(bytes.p, bytes.len - rd.len);
    m.signature = read_signature(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_order_encode(struct kgr_wr *wr, const struct kgr_order *in)
{
    write_magic(wr, order_magic);
    kgr_wr_u8(wr, in->kind);
    kgr_wr_bytes(wr, in->ks, sizeof in->ks);
    kgr_wr_u64(wr, in->number);
    kgr_wr_u64(wr, in->expires);
    kgr_wire_write_vec16(wr, in->body, KGR_ORDER_BODY_MAX);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_result_decode(struct kgr_result *out, struct kgr_slice bytes)
{
    struct kgr_result m = {0};
    struct kgr_rd rd;
    kgr_rd_init(&rd, bytes.p, bytes.len);
    read_magic(&rd, result_magic);
    m.kind = kgr_rd_u8(&rd);
    kgr_rd_bytes(&rd, m.ks, sizeof m.ks);
    m.number = kgr_rd_u64(&rd);
    m.status = kgr_rd_u32(&rd);
    m.body = kgr_rd_vec16(&rd, KGR_RESULT_BODY_MAX);
    m.covered = kgr_slice(bytes.p, bytes.len - rd.len);
    m.signature = read_signature(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_result_encode(struct kgr_wr *wr, const struct kgr_result *in)
{
    write_magic(wr, result_magic);
    kgr_wr_u8(wr, in->kind);
    kgr_wr_bytes(wr, in->ks, sizeof in->ks);
    kgr_wr_u64(wr, in->number);
    kgr_wr_u32(wr, in->status);
    kgr_wire_write_vec16(wr, in->body, KGR_RESULT_BODY_MAX);
    return kgr_wire_write_result(wr);
}

void kgr_order_subject(char *out, const struct kgr_order *order)
{
    static const uint8_t nids[] = {
        [KGR_ORDER_NODE_ADD] = 1,   [KGR_ORDER_PAIR_ALLOW] = 2,  [KGR_ORDER_PAIR_DENY] = 2,
        [KGR_ORDER_NODE_SHOW] = 1,  [KGR_ORDER_NODE_REVOKE] = 1, [KGR_ORDER_NODE_REMOVE] = 1,
        [KGR_ORDER_NODE_REKEY] = 1,
    };
    struct kgr_nid nid[2];
    struct kgr_rd rd;
    uint8_t num = order->kind < KGR_ARRAY_LEN(nids) ? nids[order->kind] : 0;
    kgr_rd_init(&rd, order->body.p, order->body.len);
    for (uint8_t i = 0; i < num; i++)
        kgr_wire_read_nid(&rd, &nid[i]);
    if (num == 0 || !kgr_rd_ok(&rd))
        out[0] = '\0';
    else
        snprintf(out, KGR_ORDER_SUBJECT_MAX + 1, num == 1 ? "%s" : "%s %s", nid[0].s, nid[1].s);
}

enum kgr_error kgr_order_node_add_decode(struct kgr_order_node_add *out, struct kgr_slice body)
{
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &out->node);
    out->ek_hash = kgr_rd_vec8(&rd, KGR_DIGEST_LEN);
    if (out->ek_hash.len != 0 && out->ek_hash.len != KGR_DIGEST_LEN)
        kgr_rd_fail(&rd);
    out->validity_s = kgr_rd_u32(&rd);
    out->host = kgr_wire_read_text8(&rd, KGR_HOST_MAX);
    out->port = kgr_rd_u16(&rd);
    out->num_peers = kgr_wire_read_range(&rd, 0, KGR_ORDER_PEERS_MAX);
    for (size_t i = 0; i < out->num_peers && kgr_rd_ok(&rd); i++)
        kgr_wire_read_nid(&rd, &out->peers[i]);
    return kgr_wire_read_result(&rd);
}

enum kgr_error kgr_order_node_add_encode(struct kgr_wr *wr, const struct kgr_order_node_add *in)
{
    kgr_wire_write_nid(wr, &in->node);
    kgr_wire_write_vec8(wr, in->ek_hash, KGR_DIGEST_LEN);
    kgr_wr_u32(wr, in->validity_s);
    kgr_wire_write_text8(wr, in->host, KGR_HOST_MAX);
    kgr_wr_u16(wr, in->port);
    if (in->num_peers > KGR_ORDER_PEERS_MAX)
        return KGR_ERR_TOO_LARGE;
    kgr_wr_u8(wr, in->num_peers);
    for (size_t i = 0; i < in->num_peers; i++)
        kgr_wire_write_nid(wr, &in->peers[i]);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_order_pair_decode(struct kgr_order_pair *out, struct kgr_slice body,
                                     bool with_minimum)
{
    struct kgr_order_pair m = {0};
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_two_nids(&rd, &m.nids[0], &m.nids[1]);
    if (with_minimum) {
        m.min_suite = kgr_wire_read_range(&rd, 0, 2);
        m.min_custody = kgr_wire_read_range(&rd, 0, KGR_WIRE_MIXED);
    }
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_order_pair_encode(struct kgr_wr *wr, const struct kgr_order_pair *in,
                                     bool with_minimum)
{
    kgr_wire_write_nid(wr, &in->nids[0]);
    kgr_wire_write_nid(wr, &in->nids[1]);
    if (with_minimum) {
        kgr_wr_u8(wr, in->min_suite);
        kgr_wr_u8(wr, in->min_custody);
    }
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_order_rekey_decode(struct kgr_order_rekey *out, struct kgr_slice body)
{
    struct kgr_order_rekey m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_wire_read_nid(&rd, &m.node);
    m.storage = kgr_wire_read_flag(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_order_rekey_encode(struct kgr_wr *wr, const struct kgr_order_rekey *in)
{
    kgr_wire_write_nid(wr, &in->node);
    kgr_wr_u8(wr, in->storage ? 1 : 0);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_order_offset_decode(uint16_t *out, struct kgr_slice body)
{
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    uint16_t offset = kgr_rd_u16(&rd);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = offset;
    return err;
}

enum kgr_error kgr_order_offset_encode(struct kgr_wr *wr, uint16_t offset)
{
    kgr_wr_u16(wr, offset);
    return kgr_wire_write_result(wr);
}

void kgr_list_head_read(struct kgr_rd *rd, struct kgr_list_head *out)
{
    out->total = kgr_rd_u16(rd);
    out->num = kgr_rd_u16(rd);
}

void kgr_list_head_write(struct kgr_wr *wr, const struct kgr_list_head *in)
{
    kgr_wr_u16(wr, in->total);
    kgr_wr_u16(wr, in->num);
}

void kgr_node_entry_read(struct kgr_rd *rd, struct kgr_node_entry *out)
{
    kgr_wire_read_nid(rd, &out->node);
    out->state = kgr_wire_read_range(rd, KGR_NODE_ISSUED, KGR_NODE_REMOVED);
    out->flags = kgr_wire_read_mask(rd, KGR_NODE_EK_GIVEN | KGR_NODE_EK_PROVEN | KGR_NODE_UNTOLD);
    out->ek_name = kgr_rd_vec8(rd, KGR_NAME_MAX);
    out->added = kgr_rd_u64(rd);
    out->heard = kgr_rd_u64(rd);
    out->suites = kgr_wire_read_mask(rd, KGR_SUITES_MASK);
    out->custodies = kgr_wire_read_mask(rd, KGR_CUSTODIES_MASK);
}

void kgr_node_entry_write(struct kgr_wr *wr, const struct kgr_node_entry *in)
{
    kgr_wire_write_nid(wr, &in->node);
    kgr_wr_u8(wr, in->state);
    kgr_wr_u8(wr, in->flags);
    kgr_wire_write_vec8(wr, in->ek_name, KGR_NAME_MAX);
    kgr_wr_u64(wr, in->added);
    kgr_wr_u64(wr, in->heard);
    kgr_wr_u8(wr, in->suites);
    kgr_wr_u8(wr, in->custodies);
}

void kgr_pair_entry_read(struct kgr_rd *rd, struct kgr_pair_entry *out)
{
    kgr_wire_read_two_nids(rd, &out->nids[0], &out->nids[1]);
    out->min_suite = kgr_wire_read_range(rd, 0, 2);
    out->min_custody = kgr_wire_read_range(rd, 0, KGR_WIRE_MIXED);
    out->status = kgr_wire_read_range(rd, 1, 3);
    out->generation = kgr_rd_u64(rd);
}

void kgr_pair_entry_write(struct kgr_wr *wr, const struct kgr_pair_entry *in)
{
    kgr_wire_write_nid(wr, &in->nids[0]);
    kgr_wire_write_nid(wr, &in->nids[1]);
    kgr_wr_u8(wr, in->min_suite);
    kgr_wr_u8(wr, in->min_custody);
    kgr_wr_u8(wr, in->status);
    kgr_wr_u64(wr, in->generation);
}

enum kgr_error kgr_sealed_credential_decode(struct kgr_sealed_credential *out,
                                            struct kgr_slice body)
{
    struct kgr_sealed_credential m;
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    m.credential = kgr_rd_vec16(&rd, KGR_WIRE_CREDENTIAL_MAX);
    m.secret = kgr_rd_vec16(&rd, KGR_WIRE_SECRET_MAX);
    kgr_rd_bytes(&rd, m.iv, sizeof m.iv);
    m.body = kgr_rd_vec16(&rd, KGR_CREDENTIAL_MAX);
    if (m.body.len == 0 || m.body.len % KGR_BLOCK_LEN != 0)
        kgr_rd_fail(&rd);
    kgr_rd_bytes(&rd, m.tag, sizeof m.tag);
    enum kgr_error err = kgr_wire_read_result(&rd);
    if (err == KGR_OK)
        *out = m;
    return err;
}

enum kgr_error kgr_sealed_credential_encode(struct kgr_wr *wr,
                                            const struct kgr_sealed_credential *in)
{
    kgr_wire_write_vec16(wr, in->credential, KGR_WIRE_CREDENTIAL_MAX);
    kgr_wire_write_vec16(wr, in->secret, KGR_WIRE_SECRET_MAX);
    kgr_wr_bytes(wr, in->iv, sizeof in->iv);
    kgr_wire_write_vec16(wr, in->body, KGR_CREDENTIAL_MAX);
    kgr_wr_bytes(wr, in->tag, sizeof in->tag);
    return kgr_wire_write_result(wr);
}
