/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/log.h"
#include "agent/server/orders/ac_rekey.h"
#include "agent/server/orders/audit.h"
#include "agent/server/orders/command.h"
#include "agent/server/protocol/exchanges.h"
#include "agent/server/protocol/nksk_glue.h"
#include "agent/server/protocol/notify.h"
#include "agent/server/orders/revoke.h"
#include "agent/server/orders/topic0.h"
#include "agent/tpm/object.h"
#include "agent/tpm/template.h"
#include "agent/wire/order.h"

/* A credential is good for a year at most. */
#define VALIDITY_MAX_S (366u * 86400u)

/* allow permits a pair; what the AC said about minimum strength stays unless it is said anew. */
static enum kgr_error allow(struct kgr_ks *ks, const struct kgr_nid *a, const struct kgr_nid *b,
                            const struct kgr_order_pair *minimum, bool allowed,
                            struct kgr_diag *diag)
{
    bool first = kgr_nid_cmp(a, b) < 0;
    struct kgr_nid nids[2] = {first ? *a : *b, first ? *b : *a};
    struct kgr_coordinator_state *state = malloc(sizeof *state);
    struct kgr_ks_policy policy;
    bool changed;
    enum kgr_error err =
        state == NULL ? KGR_ERR_NO_MEMORY : kgr_ks_pairs_load(ks->db, &policy, state, nids, diag);

    free(state);
    if (err != KGR_OK)
        return err;
    if (policy.revoked && !allowed)
        return KGR_OK; /* which is more than denied */
    changed = !policy.known || policy.revoked || policy.allowed != allowed;
    policy.allowed = allowed;
    policy.revoked = false;
    if (changed)
        policy.word = kgr_ks_next_word(ks);
    if (minimum != NULL) {
        policy.min_suite = minimum->min_suite;
        policy.min_custody = minimum->min_custody;
    }
    err = kgr_ks_policy_save(ks->db, nids, &policy, diag);
    if (err == KGR_OK && !allowed)
        err = kgr_ks_exchanges_denied(ks, nids, KGR_REASON_NOT_AUTHORIZED, diag);
    if (err == KGR_OK && changed)
        err = kgr_ks_notify_pair(ks, nids, allowed ? KGR_NOTICE_ALLOWED : KGR_NOTICE_DENIED,
                                 policy.word, policy.floor, diag);
    return err;
}

static enum kgr_error store_node(struct kgr_ks_command *c, struct kgr_diag *diag)
{
    struct kgr_ks *ks = c->ks;
    struct kgr_ks_record *record = calloc(1, sizeof *record);
    struct kgr_ks_node *before = kgr_ks_node_find(ks, &c->add->node);
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    enum kgr_error err = KGR_OK;

    if (record == NULL)
        return KGR_ERR_NO_MEMORY;
    if (before != NULL)
        err = kgr_ks_revoke_forget(ks, before, diag);
    record->nid = c->add->node;
    record->reg = c->registry.s;
    record->added_s = (uint64_t)kgr_clock_wall_s();
    record->has_ntag = true;
    memcpy(record->ntag_key_id, c->issue->key_id, sizeof record->ntag_key_id);
    record->ntag = c->issue->ntag;
    memcpy(record->topic0, c->issue->topic0, sizeof record->topic0);
    if (err == KGR_OK)
        err = kgr_ks_nodes_save(ks->db, record, diag);
    for (size_t i = 0; i < c->add->num_peers && err == KGR_OK; i++)
        err = allow(ks, &c->add->node, &c->add->peers[i], NULL, true, diag);
    if (err == KGR_OK)
        err = kgr_ks_node_add(ks, record);
    if (err == KGR_OK) /* it may have been rotated meanwhile */
        err = kgr_mqtt_subscribe(ks->mqtt, kgr_topic_text(topic, record->topic0));
    free(record);
    if (err == KGR_OK)
        kgr_wr_bytes(&c->body, c->issue->sealed, c->issue->sealed_len);
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
}

static enum kgr_error run_issue(struct kgr_tpm *tpm, void *ctx, struct kgr_diag *diag)
{
    struct kgr_ks_command *c = ctx;

    enum kgr_error err = kgr_entropy_pool_stir(c->ks->entropy, tpm, diag);

    return err == KGR_OK ? kgr_ks_issue_run(c->issue, &c->ks->id, tpm, diag) : err;
}

/* begin_registry makes the machine of the credential, unless somebody bears the name. */
static enum kgr_error begin_registry(struct kgr_ks_command *c, struct kgr_diag *diag)
{
    const struct kgr_ks_node *node = kgr_ks_node_find(c->ks, &c->add->node);
    const uint8_t *ek_hash = c->add->ek_hash.len != 0 ? c->add->ek_hash.p : NULL;

    if (node == NULL) {
        kgr_registry_init(&c->registry, c->issue->expires_s, ek_hash);
        return KGR_OK;
    }
    if (node->reg.s.phase != KGR_REGISTRY_EXPIRED && !kgr_ks_node_gone(node))
        return kgr_diag_set(diag, KGR_ERR_EXISTS, "%s is known already", node->r.nid.s);
    if (!kgr_registry_renew(&c->registry, &node->reg.s, c->issue->expires_s, ek_hash))
        return kgr_diag_set(diag, KGR_ERR_EXISTS,
                            "%s was revoked and keeps its TPM; for another one: kgr-ac node remove",
                            node->r.nid.s);
    return KGR_OK;
}

static void issue_done(void *ctx, enum kgr_error err, const struct kgr_diag *diag)
{
    struct kgr_ks_command *c = ctx;
    struct kgr_diag own = {{0}};
    struct kgr_ks *ks = c->ks;

    if (err == KGR_OK) {
        err = begin_registry(c, &own); /* another order may have come meanwhile */
        diag = &own;
    }
    if (err != KGR_OK)
        kgr_ks_command_fail(c, err, diag);
    if (kgr_ks_begin(ks) != KGR_OK) {
        kgr_ks_command_drop(&c->after);
        return;
    }
    err = c->status == KGR_OK ? store_node(c, &own) : KGR_OK;
    if (err == KGR_OK && c->status == KGR_OK)
        kgr_info("node", "node=%s state=issued", c->add->node.s);
    if (err == KGR_OK)
        err = kgr_ks_command_conclude(c, &own);
    kgr_ks_command_finish(c);
    kgr_ks_end(ks, err, &own);
}

static void start_issue(struct kgr_ks *ks, struct kgr_ks_after *self)
{
    struct kgr_ks_command *c = (struct kgr_ks_command *)self;
    enum kgr_error err = kgr_tpm_worker_submit(
        ks->worker, KGR_TPM_CONTROL,
        &(struct kgr_tpm_job){.run = run_issue, .done = issue_done, .ctx = c});

    if (err != KGR_OK)
        issue_done(c, err, NULL);
}

/* check_add finds what is wrong with an order to add a node. */
static enum kgr_error check_add(struct kgr_ks_command *c, struct kgr_slice body,
                                struct kgr_diag *diag)
{
    struct kgr_order_node_add *add = c->add;

    if (kgr_order_node_add_decode(add, body) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the order is malformed");
    if (add->validity_s == 0 || add->validity_s > VALIDITY_MAX_S)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "a credential is good for 1 s to 366 days");
    for (size_t i = 0; i < add->num_peers; i++)
        if (kgr_nid_cmp(&add->peers[i], &add->node) == 0)
            return kgr_diag_set(diag, KGR_ERR_INVALID, "%s cannot be its own peer", add->node.s);
    return begin_registry(c, diag);
}

static enum kgr_error node_add(struct kgr_ks_command *c, struct kgr_slice body,
                               struct kgr_diag *diag)
{
    struct kgr_ks *ks = c->ks;
    uint8_t *ek_hash;
    enum kgr_error err;

    c->add = malloc(sizeof *c->add + KGR_DIGEST_LEN);
    c->issue = calloc(1, sizeof *c->issue);
    if (c->add == NULL || c->issue == NULL)
        return KGR_ERR_NO_MEMORY;
    err = check_add(c, body, diag);
    if (err != KGR_OK)
        return err;
    /* What the order lends is kept behind it: the packet goes before the TPM is done. */
    ek_hash = (uint8_t *)(c->add + 1);
    kgr_copy(ek_hash, c->add->ek_hash.p, c->add->ek_hash.len);
    c->add->ek_hash.p = ek_hash;
    c->issue->nid = c->add->node;
    c->issue->ac_storage = ks->id.ac_storage;
    c->issue->ac_ek = ks->id.ac_ek;
    c->issue->expires_s = kgr_ks_now_s(ks) + c->add->validity_s;
    c->issue->expires_wall_s = (uint64_t)kgr_clock_wall_s() + c->add->validity_s;
    if (c->add->host.len != 0) {
        kgr_copy(c->issue->host, c->add->host.p, c->add->host.len);
        c->issue->port = c->add->port;
    } else {
        (void)snprintf(c->issue->host, sizeof c->issue->host, "%s",
                       ks->settings.brokers.list[0].host);
        c->issue->port = kgr_broker_port(&ks->settings.brokers.list[0]);
    }
    kgr_random(c->issue->key_id, sizeof c->issue->key_id);
    memcpy(c->issue->topic0, ks->id.topic0, sizeof c->issue->topic0);
    c->later = true;
    c->after.start = start_issue;
    c->after.drop = kgr_ks_command_drop;
    kgr_ks_later(ks, &c->after);
    return KGR_OK;
}

static void write_node(struct kgr_wr *wr, const struct kgr_ks_node *node)
{
    const struct kgr_registry_state *reg = &node->reg.s;
    struct kgr_node_entry entry = {
        .node = node->r.nid,
        .state = (uint8_t)reg->phase,
        .added = node->r.added_s,
        .heard = node->r.heard_s,
    };
    struct kgr_tpm_name name = {0};

    if (reg->has_ek_hash && !reg->pinned)
        entry.flags |= KGR_NODE_EK_GIVEN;
    if (node->notices.num > 0)
        entry.flags |= KGR_NODE_UNTOLD;
    if (reg->bound && kgr_tpm_public_name(&name, &node->r.ek) == KGR_OK) {
        entry.ek_name = kgr_slice(name.bytes, name.len);
        entry.suites = node->r.suites;
        entry.custodies = node->r.custodies;
        if (reg->proven && reg->phase != KGR_REGISTRY_ISSUED)
            entry.flags |= KGR_NODE_EK_PROVEN;
    }
    kgr_node_entry_write(wr, &entry);
}

static enum kgr_error node_list(struct kgr_ks_command *c, struct kgr_slice body,
                                struct kgr_diag *diag)
{
    struct kgr_list_head head = {0};
    const size_t room = KGR_RESULT_BODY_MAX / KGR_NODE_ENTRY_MAX - 1;
    uint16_t offset, index = 0;

    if (kgr_order_offset_decode(&offset, body) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the order is malformed");
    for (const struct kgr_ks_node *node = c->ks->nodes; node != NULL; node = node->next)
        head.total++;
    if (offset < head.total)
        head.num =
            (uint16_t)((size_t)(head.total - offset) < room ? head.total - offset : (int)room);
    kgr_list_head_write(&c->body, &head);
    for (const struct kgr_ks_node *node = c->ks->nodes; node != NULL; node = node->next, index++)
        if (index >= offset && index - offset < head.num)
            write_node(&c->body, node);
    return KGR_OK;
}

static enum kgr_error node_show(struct kgr_ks_command *c, struct kgr_slice body,
                                struct kgr_diag *diag)
{
    const struct kgr_ks_node *node;
    struct kgr_nid nid;

    if (kgr_wire_nid_decode(&nid, body) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the order is malformed");
    node = kgr_ks_node_find(c->ks, &nid);
    if (node == NULL)
        return kgr_diag_set(diag, KGR_ERR_UNKNOWN_PEER, "the KS knows no node %s", nid.s);
    write_node(&c->body, node);
    return KGR_OK;
}

static enum kgr_error node_rekey(struct kgr_ks_command *c, struct kgr_slice body,
                                 struct kgr_diag *diag)
{
    struct kgr_order_rekey rekey;
    struct kgr_ks_node *node;
    enum kgr_error err;

    if (kgr_order_rekey_decode(&rekey, body) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the order is malformed");
    node = kgr_ks_node_find(c->ks, &rekey.node);
    if (node == NULL)
        return kgr_diag_set(diag, KGR_ERR_UNKNOWN_PEER, "the KS knows no node %s", rekey.node.s);
    if (!kgr_ks_node_ready(node))
        return kgr_diag_set(diag, KGR_ERR_INVALID, "%s is not registered", rekey.node.s);
    kgr_info("nksk", "node=%s state=ordered storage_key=%s", rekey.node.s,
             rekey.storage ? "new" : "kept");
    err = kgr_ks_nksk_order(c->ks, node, rekey.storage, diag);
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err;
}

static enum kgr_error node_end(struct kgr_ks_command *c, struct kgr_slice body, bool removed,
                               struct kgr_diag *diag)
{
    struct kgr_ks_node *node;
    struct kgr_nid nid;

    if (kgr_wire_nid_decode(&nid, body) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the order is malformed");
    node = kgr_ks_node_find(c->ks, &nid);
    if (node == NULL)
        return kgr_diag_set(diag, KGR_ERR_UNKNOWN_PEER, "the KS knows no node %s", nid.s);
    return kgr_ks_revoke(c->ks, node, removed, diag);
}

static enum kgr_error pair_change(struct kgr_ks_command *c, struct kgr_slice body, bool allowed,
                                  struct kgr_diag *diag)
{
    struct kgr_order_pair pair = {0};
    enum kgr_error err;

    if (kgr_order_pair_decode(&pair, body, allowed) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the order is malformed");
    if (kgr_nid_cmp(&pair.nids[0], &pair.nids[1]) == 0)
        return kgr_diag_set(diag, KGR_ERR_INVALID, "a node cannot be its own peer");
    kgr_info("pair", "a=%s b=%s allowed=%d", pair.nids[0].s, pair.nids[1].s, allowed);
    err = allow(c->ks, &pair.nids[0], &pair.nids[1], allowed ? &pair : NULL, allowed, diag);
    return err == KGR_ERR_CORRUPT ? KGR_ERR_FAILED : err; /* of the database, not of the order */
}

struct pair_page {
    struct kgr_wr *wr; /* NULL: only count */
    uint32_t offset;
    uint32_t num; /* at most */
    uint32_t total;
};

static enum kgr_error list_pair(void *arg, const struct kgr_ks_pair_row *row)
{
    struct pair_page *page = arg;
    uint32_t index = page->total++;
    struct kgr_pair_entry entry = {
        .nids = {row->nids[0], row->nids[1]},
        .min_suite = row->policy.min_suite,
        .min_custody = row->policy.min_custody,
        .status = row->policy.allowed   ? 1
                  : row->policy.revoked ? 2
                                        : 3,
        .generation = row->generation,
    };

    if (page->wr != NULL && index >= page->offset && index - page->offset < page->num)
        kgr_pair_entry_write(page->wr, &entry);
    return KGR_OK;
}

static enum kgr_error pair_list(struct kgr_ks_command *c, struct kgr_slice body,
                                struct kgr_diag *diag)
{
    const uint32_t room = KGR_RESULT_BODY_MAX / KGR_PAIR_ENTRY_MAX - 1;
    struct pair_page page = {0};
    struct kgr_list_head head;
    uint16_t offset;
    enum kgr_error err;

    if (kgr_order_offset_decode(&offset, body) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the order is malformed");
    err = kgr_ks_pairs_each(c->ks->db, NULL, list_pair, &page, diag);
    if (err != KGR_OK)
        return err;
    page.num = page.total > offset ? page.total - offset : 0;
    if (page.num > room)
        page.num = room;
    head.total = (uint16_t)(page.total < UINT16_MAX ? page.total : UINT16_MAX);
    head.num = (uint16_t)page.num;
    kgr_list_head_write(&c->body, &head);
    page.wr = &c->body;
    page.offset = offset;
    page.total = 0;
    return kgr_ks_pairs_each(c->ks->db, NULL, list_pair, &page, diag);
}

enum kgr_error kgr_ks_commands_carry_out(struct kgr_ks_command *c, const struct kgr_order *order,
                                         struct kgr_diag *diag)
{
    switch (order->kind) {
    case KGR_ORDER_NODE_ADD:
        return node_add(c, order->body, diag);
    case KGR_ORDER_NODE_LIST:
        return node_list(c, order->body, diag);
    case KGR_ORDER_PAIR_ALLOW:
        return pair_change(c, order->body, true, diag);
    case KGR_ORDER_PAIR_DENY:
        return pair_change(c, order->body, false, diag);
    case KGR_ORDER_PAIR_LIST:
        return pair_list(c, order->body, diag);
    case KGR_ORDER_NODE_SHOW:
        return node_show(c, order->body, diag);
    case KGR_ORDER_NODE_REKEY:
        return node_rekey(c, order->body, diag);
    case KGR_ORDER_AC_REKEY:
        return kgr_ks_ac_rekey(c, order->body, diag);
    case KGR_ORDER_AUDIT_LIST:
        return kgr_ks_audit_list(c->ks, &c->body, order->body, diag);
    case KGR_ORDER_NODE_REVOKE:
        return node_end(c, order->body, false, diag);
    case KGR_ORDER_NODE_REMOVE:
        return node_end(c, order->body, true, diag);
    case KGR_ORDER_TOPIC0_ROTATE:
        return order->body.len == 0 ? kgr_ks_topic0_rotate(c->ks, diag)
                                    : kgr_diag_set(diag, KGR_ERR_CORRUPT, "the order is malformed");
    default:
        return kgr_diag_set(diag, KGR_ERR_UNSUPPORTED, "this KS knows no order of kind %u",
                            order->kind);
    }
}
