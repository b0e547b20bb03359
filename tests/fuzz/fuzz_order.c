/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Targets: kgr_order_decode, kgr_result_decode, and the decoders of their bodies: kgr_order_node_add_decode,
 * kgr_order_pair_decode, kgr_order_offset_decode, kgr_order_rekey_decode, kgr_wire_nid_decode, kgr_node_entry_read,
 * kgr_pair_entry_read, kgr_list_head_read, kgr_sealed_credential_decode.
 * Input: an order or a result. Property: what is accepted encodes to the same bytes.
 */
#include "agent/wire/body_audit.h"
#include "agent/wire/order.h"

#include "tests/fuzz/harness.h"

static enum kgr_error order_encode(struct kgr_wr *wr, const struct kgr_order *m)
{
    enum kgr_error err = kgr_order_encode(wr, m);

    return err != KGR_OK ? err : kgr_signature_append(wr, m->signature);
}

static enum kgr_error result_encode(struct kgr_wr *wr, const struct kgr_result *m)
{
    enum kgr_error err = kgr_result_encode(wr, m);

    return err != KGR_OK ? err : kgr_signature_append(wr, m->signature);
}

static enum kgr_error allow_decode(struct kgr_order_pair *out, struct kgr_slice body)
{
    return kgr_order_pair_decode(out, body, true);
}

static enum kgr_error allow_encode(struct kgr_wr *wr, const struct kgr_order_pair *m)
{
    return kgr_order_pair_encode(wr, m, true);
}

static enum kgr_error deny_decode(struct kgr_order_pair *out, struct kgr_slice body)
{
    return kgr_order_pair_decode(out, body, false);
}

static enum kgr_error deny_encode(struct kgr_wr *wr, const struct kgr_order_pair *m)
{
    return kgr_order_pair_encode(wr, m, false);
}

static enum kgr_error offset_encode(struct kgr_wr *wr, const uint16_t *offset)
{
    return kgr_order_offset_encode(wr, *offset);
}

static void order_body(uint8_t kind, struct kgr_slice in)
{
    switch (kind) {
    case KGR_ORDER_NODE_ADD:
        FUZZ_ROUND_TRIP(struct kgr_order_node_add, kgr_order_node_add_decode,
                        kgr_order_node_add_encode, in);
        break;
    case KGR_ORDER_NODE_LIST:
    case KGR_ORDER_PAIR_LIST:
        FUZZ_ROUND_TRIP(uint16_t, kgr_order_offset_decode, offset_encode, in);
        break;
    case KGR_ORDER_PAIR_ALLOW:
        FUZZ_ROUND_TRIP(struct kgr_order_pair, allow_decode, allow_encode, in);
        break;
    case KGR_ORDER_PAIR_DENY:
        FUZZ_ROUND_TRIP(struct kgr_order_pair, deny_decode, deny_encode, in);
        break;
    case KGR_ORDER_NODE_REKEY:
        FUZZ_ROUND_TRIP(struct kgr_order_rekey, kgr_order_rekey_decode, kgr_order_rekey_encode, in);
        break;
    case KGR_ORDER_NODE_SHOW:
        FUZZ_ROUND_TRIP(struct kgr_nid, kgr_wire_nid_decode, kgr_wire_nid_encode, in);
        break;
    case KGR_ORDER_AUDIT_LIST:
        FUZZ_ROUND_TRIP(struct kgr_audit_query, kgr_audit_query_decode, kgr_audit_query_encode, in);
        break;
    default:
        break;
    }
}

/* num entries of one kind; the same code reads the only entry of node_show. */
static void entries(struct kgr_rd *rd, struct kgr_wr *wr, size_t num, uint8_t kind)
{
    for (size_t i = 0; i < num && kgr_rd_ok(rd); i++) {
        struct kgr_node_entry node;
        struct kgr_pair_entry pair;

        if (kind == KGR_ORDER_PAIR_LIST) {
            kgr_pair_entry_read(rd, &pair);
            if (kgr_rd_ok(rd))
                kgr_pair_entry_write(wr, &pair);
        } else {
            kgr_node_entry_read(rd, &node);
            if (kgr_rd_ok(rd))
                kgr_node_entry_write(wr, &node);
        }
    }
}

static void list(uint8_t kind, struct kgr_slice in)
{
    static uint8_t bytes[FUZZ_CAP];
    struct kgr_list_head head = {0, 1};
    struct kgr_rd rd;
    struct kgr_wr wr;

    kgr_rd_init(&rd, in.p, in.len);
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    if (kind != KGR_ORDER_NODE_SHOW) {
        kgr_list_head_read(&rd, &head);
        kgr_list_head_write(&wr, &head);
    }
    entries(&rd, &wr, head.num, kind);
    if (kgr_rd_done(&rd))
        fuzz_same(&wr, in);
}

static void audit(struct kgr_slice in)
{
    static uint8_t bytes[FUZZ_CAP];
    struct kgr_audit_head head;
    struct kgr_audit_entry entry;
    struct kgr_rd rd;
    struct kgr_wr wr;

    kgr_rd_init(&rd, in.p, in.len);
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_audit_head_read(&rd, &head);
    kgr_audit_head_write(&wr, &head);
    for (size_t i = 0; i < head.num && kgr_rd_ok(&rd); i++) {
        kgr_audit_entry_read(&rd, &entry);
        if (!kgr_rd_ok(&rd))
            return;
        kgr_audit_entry_write(&wr, &entry);
        kgr_wr_bytes(&wr, entry.hash, sizeof(entry.hash));
    }
    if (kgr_rd_done(&rd))
        fuzz_same(&wr, in);
}

static void result_body(uint8_t kind, struct kgr_slice in)
{
    switch (kind) {
    case KGR_ORDER_NODE_ADD:
        FUZZ_ROUND_TRIP(struct kgr_sealed_credential, kgr_sealed_credential_decode,
                        kgr_sealed_credential_encode, in);
        break;
    case KGR_ORDER_NODE_LIST:
    case KGR_ORDER_PAIR_LIST:
    case KGR_ORDER_NODE_SHOW:
        list(kind, in);
        break;
    case KGR_ORDER_AUDIT_LIST:
        audit(in);
        break;
    case KGR_ORDER_AC_REKEY:
        FUZZ_ROUND_TRIP(struct kgr_ac_grant, kgr_ac_grant_decode, kgr_ac_grant_encode, in);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kgr_slice in = kgr_slice(data, size);
    struct kgr_result result;
    struct kgr_order order;

    FUZZ_ROUND_TRIP(struct kgr_order, kgr_order_decode, order_encode, in);
    FUZZ_ROUND_TRIP(struct kgr_result, kgr_result_decode, result_encode, in);
    if (kgr_order_decode(&order, in) == KGR_OK)
        order_body(order.kind, order.body);
    else if (kgr_result_decode(&result, in) == KGR_OK && result.status == KGR_OK)
        result_body(result.kind, result.body);
    return 0;
}
