/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_sync.h"

static uint16_t read_count(struct kgr_rd *rd)
{
    uint16_t num = kgr_rd_u16(rd);
    if (num <= KGR_SYNC_PAGE_MAX)
        return num;
    kgr_rd_fail(rd);
    return 0;
}

static void write_count(struct kgr_wr *wr, uint16_t num)
{
    if (num > KGR_SYNC_PAGE_MAX)
        wr->failed = true;
    else
        kgr_wr_u16(wr, num);
}

enum kgr_error kgr_sync_req_decode(struct kgr_sync_req *out, struct kgr_slice body)
{
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_rd_bytes(&rd, out->nonce, sizeof out->nonce);
    out->epoch = kgr_rd_u32(&rd);
    out->page = kgr_rd_u16(&rd);
    out->num_peers = read_count(&rd);
    for (size_t i = 0; i < out->num_peers && kgr_rd_ok(&rd); i++) {
        kgr_wire_read_nid(&rd, &out->peers[i].peer);
        out->peers[i].current = kgr_rd_u64(&rd);
        out->peers[i].highest = kgr_rd_u64(&rd);
    }
    out->num_open = read_count(&rd);
    for (size_t i = 0; i < out->num_open && kgr_rd_ok(&rd); i++)
        kgr_rd_bytes(&rd, out->open[i], KGR_XID_LEN);
    return kgr_wire_read_result(&rd);
}

enum kgr_error kgr_sync_req_encode(struct kgr_wr *wr, const struct kgr_sync_req *in)
{
    kgr_wr_bytes(wr, in->nonce, sizeof in->nonce);
    kgr_wr_u32(wr, in->epoch);
    kgr_wr_u16(wr, in->page);
    write_count(wr, in->num_peers);
    for (size_t i = 0; i < in->num_peers && kgr_wr_ok(wr); i++) {
        kgr_wire_write_nid(wr, &in->peers[i].peer);
        kgr_wr_u64(wr, in->peers[i].current);
        kgr_wr_u64(wr, in->peers[i].highest);
    }
    write_count(wr, in->num_open);
    for (size_t i = 0; i < in->num_open && kgr_wr_ok(wr); i++)
        kgr_wr_bytes(wr, in->open[i], KGR_XID_LEN);
    return kgr_wire_write_result(wr);
}

static void read_pair(struct kgr_rd *rd, struct kgr_sync_pair *out)
{
    kgr_wire_read_nid(rd, &out->peer);
    out->status = kgr_wire_read_range(rd, KGR_SYNC_ALLOWED, KGR_SYNC_DENIED);
    out->word = kgr_rd_u64(rd);
    out->floor = kgr_rd_u64(rd);
    out->generation = kgr_rd_u64(rd);
    out->peer_generation = kgr_rd_u64(rd);
    out->age_s = kgr_rd_u32(rd);
    out->lifetime_s = kgr_rd_u32(rd);
    uint8_t least = out->generation == 0 ? 0 : 1;
    out->suite = kgr_wire_read_range(rd, least, out->generation == 0 ? 0 : 2);
    out->custody = kgr_wire_read_range(rd, least, out->generation == 0 ? 0 : 3);
}

static void write_pair(struct kgr_wr *wr, const struct kgr_sync_pair *in)
{
    kgr_wire_write_nid(wr, &in->peer);
    kgr_wr_u8(wr, in->status);
    kgr_wr_u64(wr, in->word);
    kgr_wr_u64(wr, in->floor);
    kgr_wr_u64(wr, in->generation);
    kgr_wr_u64(wr, in->peer_generation);
    kgr_wr_u32(wr, in->age_s);
    kgr_wr_u32(wr, in->lifetime_s);
    kgr_wr_u8(wr, in->suite);
    kgr_wr_u8(wr, in->custody);
}

enum kgr_error kgr_sync_ans_decode(struct kgr_sync_ans *out, struct kgr_slice body)
{
    struct kgr_rd rd;
    kgr_rd_init(&rd, body.p, body.len);
    kgr_rd_bytes(&rd, out->nonce, sizeof out->nonce);
    out->epoch = kgr_rd_u32(&rd);
    out->page = kgr_rd_u16(&rd);
    out->num_pages = kgr_rd_u16(&rd);
    out->lease_s = kgr_rd_u32(&rd);
    out->nksk_age_s = kgr_rd_u32(&rd);
    out->rekey = kgr_wire_read_rekey(&rd);
    out->num_pairs = read_count(&rd);
    /* A node with more pages than the KS asks for those too, and hears of no pair in them. */
    if (out->num_pages == 0 || (out->page >= out->num_pages && out->num_pairs != 0))
        kgr_rd_fail(&rd);
    for (size_t i = 0; i < out->num_pairs && kgr_rd_ok(&rd); i++)
        read_pair(&rd, &out->pairs[i]);
    out->num_results = read_count(&rd);
    for (size_t i = 0; i < out->num_results && kgr_rd_ok(&rd); i++) {
        kgr_rd_bytes(&rd, out->results[i].xid, KGR_XID_LEN);
        out->results[i].outcome = kgr_wire_read_range(&rd, KGR_SYNC_UNKNOWN, KGR_SYNC_ABORTED);
        out->results[i].generation = kgr_rd_u64(&rd);
    }
    return kgr_wire_read_result(&rd);
}

enum kgr_error kgr_sync_ans_encode(struct kgr_wr *wr, const struct kgr_sync_ans *in)
{
    kgr_wr_bytes(wr, in->nonce, sizeof in->nonce);
    kgr_wr_u32(wr, in->epoch);
    kgr_wr_u16(wr, in->page);
    kgr_wr_u16(wr, in->num_pages);
    kgr_wr_u32(wr, in->lease_s);
    kgr_wr_u32(wr, in->nksk_age_s);
    kgr_wr_u8(wr, in->rekey);
    write_count(wr, in->num_pairs);
    for (size_t i = 0; i < in->num_pairs && kgr_wr_ok(wr); i++)
        write_pair(wr, &in->pairs[i]);
    write_count(wr, in->num_results);
    for (size_t i = 0; i < in->num_results && kgr_wr_ok(wr); i++) {
        kgr_wr_bytes(wr, in->results[i].xid, KGR_XID_LEN);
        kgr_wr_u8(wr, in->results[i].outcome);
        kgr_wr_u64(wr, in->results[i].generation);
    }
    return kgr_wire_write_result(wr);
}
