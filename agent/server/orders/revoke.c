/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders/revoke.h"

#include <stdlib.h>

#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/server/protocol/exchanges.h"
#include "agent/server/store/nksk_rows.h"
#include "agent/server/protocol/notify.h"
#include "agent/server/orders/topic0.h"

bool kgr_ks_node_gone(const struct kgr_ks_node *node)
{
    return node->reg.s.phase == KGR_REGISTRY_REVOKED || node->reg.s.phase == KGR_REGISTRY_REMOVED;
}

/* The pairs of a node are collected first: changing them moves what is being read. */
struct pairs {
    struct kgr_ks_pair_row *list;
    size_t num;
};

static enum kgr_error collect(void *arg, const struct kgr_ks_pair_row *row)
{
    struct pairs *pairs = arg;
    struct kgr_ks_pair_row *list = pairs->list;

    if ((pairs->num & (pairs->num - 1)) == 0) { /* at every power of two */
        list = realloc(list, (pairs->num == 0 ? 1 : 2 * pairs->num) * sizeof *list);
        if (list == NULL)
            return KGR_ERR_NO_MEMORY;
        pairs->list = list;
    }
    list[pairs->num++] = *row;
    return KGR_OK;
}

static enum kgr_error end_pair(struct kgr_ks *ks, const struct kgr_nid *nid,
                               struct kgr_ks_pair_row *row, struct kgr_diag *diag)
{
    size_t side = kgr_nid_cmp(&row->nids[0], nid) == 0 ? 0 : 1;
    struct kgr_ks_node *peer = kgr_ks_node_find(ks, &row->nids[1 - side]);
    struct kgr_notice notice = {.word = kgr_ks_next_word(ks),
                                .kind = KGR_NOTICE_REVOKED,
                                .floor = row->highest,
                                .peer = *nid};
    enum kgr_error err;

    row->policy.allowed = false;
    row->policy.revoked = true;
    row->policy.word = notice.word;
    row->policy.floor = notice.floor;
    err = kgr_ks_policy_save(ks->db, row->nids, &row->policy, diag);
    if (err == KGR_OK)
        err = kgr_ks_exchanges_revoked(ks, row->nids, (uint8_t)side, diag);
    if (err == KGR_OK && peer != NULL && kgr_ks_node_ready(peer))
        err = kgr_ks_notify(ks, peer, &notice, diag);
    return err;
}

static enum kgr_error end_pairs(struct kgr_ks *ks, const struct kgr_nid *nid, struct kgr_diag *diag)
{
    struct pairs pairs = {NULL, 0};
    enum kgr_error err = kgr_ks_pairs_each(ks->db, nid, collect, &pairs, diag);

    for (size_t i = 0; i < pairs.num && err == KGR_OK; i++)
        err = end_pair(ks, nid, &pairs.list[i], diag);
    free(pairs.list);
    return err;
}

/* The record without a key of the credential, and without those of the node too unless they are needed to tell it. */
static enum kgr_error erase_keys(struct kgr_ks *ks, struct kgr_ks_node *node, bool nksk_too,
                                 struct kgr_diag *diag)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    enum kgr_error err = kgr_ks_chal_save(ks->db, &node->r.nid, kgr_slice(NULL, 0), diag);

    if (err == KGR_OK && node->next_nksk != NULL)
        err = kgr_ks_window_erase(ks->db, node->next_nksk->key_id, diag);
    kgr_ks_node_drop_next(ks, node);
    node->renewal = (struct kgr_ks_nksk){0};
    if (err == KGR_OK)
        err = kgr_ks_nksk_erase(ks->db, &node->r.nid, diag);
    if (err == KGR_OK && node->r.has_ntag)
        err = kgr_ks_window_erase(ks->db, node->r.ntag_key_id, diag);
    if (node->r.has_ntag) {
        node->r.has_ntag = false;
        kgr_ks_topic0_release(ks, node->r.topic0);
    }
    kgr_cleanse(&node->r.ntag, sizeof node->r.ntag);
    if (err == KGR_OK && nksk_too && node->r.has_nksk)
        err = kgr_ks_window_erase(ks->db, node->r.nksk_key_id, diag);
    if (nksk_too) {
        if (node->r.has_topics)
            kgr_mqtt_unsubscribe(ks->mqtt, kgr_topic_text(topic, node->r.topic1));
        node->r.has_topics = false;
        node->r.has_nksk = false;
        kgr_cleanse(&node->r.nksk, sizeof node->r.nksk);
    }
    if (err == KGR_OK)
        err = kgr_ks_node_save(ks, node, diag);
    if (err == KGR_OK)
        err = kgr_ks_node_rekey(ks, node);
    ks->erased = true;
    return err;
}

enum kgr_error kgr_ks_revoke(struct kgr_ks *ks, struct kgr_ks_node *node, bool removed,
                             struct kgr_diag *diag)
{
    enum kgr_registry_phase before = node->reg.s.phase;
    struct kgr_notice notice = {.kind = KGR_NOTICE_NODE_REVOKED};
    enum kgr_error err;

    if (before == KGR_REGISTRY_REMOVED || (before == KGR_REGISTRY_REVOKED && !removed))
        return kgr_diag_set(diag, KGR_ERR_EXISTS, "%s is %s already", node->r.nid.s,
                            before == KGR_REGISTRY_REMOVED ? "removed" : "revoked");
    kgr_registry_end(&node->reg, removed);
    kgr_info("node", "node=%s state=%s", node->r.nid.s, removed ? "removed" : "revoked");
    if (before == KGR_REGISTRY_REVOKED)
        return kgr_ks_node_save(ks, node, diag); /* all else was done */
    err = erase_keys(ks, node, before != KGR_REGISTRY_REGISTERED, diag);
    if (err == KGR_OK)
        err = end_pairs(ks, &node->r.nid, diag);
    notice.word = kgr_ks_next_word(ks);
    if (err == KGR_OK)
        err = kgr_ks_notify(ks, node, &notice, diag);
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err; /* of the database, not of the order */
}

enum kgr_error kgr_ks_revoke_forget(struct kgr_ks *ks, struct kgr_ks_node *node,
                                    struct kgr_diag *diag)
{
    enum kgr_error err = kgr_ks_notify_clear(ks, node, diag);

    return err == KGR_OK ? erase_keys(ks, node, true, diag) : err;
}

enum kgr_error kgr_ks_revoke_told(struct kgr_ks *ks, struct kgr_ks_node *node,
                                  struct kgr_diag *diag)
{
    kgr_info("node", "node=%s told=yes", node->r.nid.s);
    return erase_keys(ks, node, true, diag);
}
