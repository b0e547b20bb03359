/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/roster.h"

#include <stdlib.h>

#include "agent/wire/frame.h"

/* Reads the entries of one page; *out_seen grows by their number. */
static enum kgr_error read_page(struct kgr_slice page, kgr_ac_entry_fn *entry, void *arg,
                                uint32_t *out_seen, uint32_t *out_total, struct kgr_diag *diag)
{
    struct kgr_rd rd;
    struct kgr_list_head head;
    bool ok = true;
    kgr_rd_init(&rd, page.p, page.len);
    kgr_list_head_read(&rd, &head);
    for (size_t i = 0; ok && kgr_rd_ok(&rd) && i < head.num; i++)
        ok = entry(arg, &rd);
    if (!ok || !kgr_rd_done(&rd))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's result is malformed");
    *out_seen += head.num;
    /* A page without entries is the last one, whatever the total says. */
    *out_total = head.num == 0 ? *out_seen : head.total;
    return KGR_OK;
}

enum kgr_error kgr_ac_pages(struct kgr_ac *ac, enum kgr_order_kind kind, kgr_ac_entry_fn *entry,
                            void *arg, struct kgr_diag *diag)
{
    uint32_t seen = 0, total = 1;
    enum kgr_error err = KGR_OK;
    uint8_t *buf = malloc(KGR_FRAME_MAX);
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    while (err == KGR_OK && seen < total && seen <= UINT16_MAX) {
        uint8_t body[2];
        struct kgr_wr wr;
        struct kgr_slice page;
        kgr_wr_init(&wr, body, sizeof body);
        err = kgr_order_offset_encode(&wr, (uint16_t)seen);
        if (err == KGR_OK)
            err = kgr_ac_order(ac, &page, buf, kind, kgr_wr_slice(&wr), diag);
        if (err == KGR_OK)
            err = read_page(page, entry, arg, &seen, &total, diag);
    }
    free(buf);
    return err;
}

/* Room for one more of size bytes in an array of num; NULL without memory. */
static void *grow(void *array, size_t num, size_t size)
{
    /* Doubled at each power of two: no count of the room is kept. */
    if (num != 0 && (num & (num - 1)) != 0)
        return array;
    return reallocarray(array, num == 0 ? 1 : 2 * num, size);
}

static bool take_node(void *arg, struct kgr_rd *rd)
{
    struct kgr_roster *roster = arg;
    struct kgr_node_entry *nodes = grow(roster->nodes, roster->num_nodes, sizeof *roster->nodes);
    if (nodes == NULL)
        return false;
    roster->nodes = nodes;
    kgr_node_entry_read(rd, &nodes[roster->num_nodes]);
    if (!kgr_rd_ok(rd))
        return false;
    nodes[roster->num_nodes++].ek_name = kgr_slice(NULL, 0);
    return true;
}

static bool take_pair(void *arg, struct kgr_rd *rd)
{
    struct kgr_roster *roster = arg;
    struct kgr_pair_entry *pairs = grow(roster->pairs, roster->num_pairs, sizeof *roster->pairs);
    if (pairs == NULL)
        return false;
    roster->pairs = pairs;
    kgr_pair_entry_read(rd, &pairs[roster->num_pairs]);
    if (!kgr_rd_ok(rd))
        return false;
    roster->num_pairs++;
    return true;
}

enum kgr_error kgr_roster_fetch(struct kgr_roster *out, struct kgr_ac *ac, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_ac_pages(ac, KGR_ORDER_NODE_LIST, take_node, out, diag);
    if (err == KGR_OK)
        err = kgr_ac_pages(ac, KGR_ORDER_PAIR_LIST, take_pair, out, diag);
    return err;
}

void kgr_roster_deinit(struct kgr_roster *roster)
{
    free(roster->nodes);
    free(roster->pairs);
    *roster = (struct kgr_roster){0};
}

const struct kgr_node_entry *kgr_roster_node(const struct kgr_roster *roster,
                                             const struct kgr_nid *node)
{
    for (size_t i = 0; i < roster->num_nodes; i++)
        if (kgr_nid_cmp(&roster->nodes[i].node, node) == 0)
            return &roster->nodes[i];
    return NULL;
}

const struct kgr_pair_entry *kgr_roster_pair(const struct kgr_roster *roster,
                                             const struct kgr_nid nids[2])
{
    for (size_t i = 0; i < roster->num_pairs; i++) {
        const struct kgr_nid *have = roster->pairs[i].nids;
        if ((kgr_nid_cmp(&have[0], &nids[0]) == 0 && kgr_nid_cmp(&have[1], &nids[1]) == 0) ||
            (kgr_nid_cmp(&have[0], &nids[1]) == 0 && kgr_nid_cmp(&have[1], &nids[0]) == 0))
            return &roster->pairs[i];
    }
    return NULL;
}
