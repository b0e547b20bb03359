/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/peers.h"

#include <stdlib.h>
#include <string.h>

#include "agent/client/call.h"
#include "agent/client/reason.h"

/* More than any node has, of peers or keys; a bound for what an agent out of its mind can make us allocate. */
#define PEERS_MAX 131072

void kgr_peer_set(struct kgr_peer *out, const struct kgr_ipc_peer *in)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->peer, in->peer.s, sizeof(out->peer));
    out->generation = in->generation;
    out->state = (enum kgr_pair_state)in->state;
    out->custody = (enum kgr_custody)in->custody;
    out->suite = (enum kgr_suite_id)in->suite;
    out->age_s = in->age_s > INT64_MAX ? -1 : (int64_t)in->age_s;
    out->expires_s = in->expires_s > INT64_MAX ? -1 : (int64_t)in->expires_s;
    out->may_send = in->may_send;
    out->may_receive = in->may_receive;
    out->mirrored = in->mirrored;
    memcpy(out->iv, in->iv, sizeof(out->iv));
    kgr_text_clean(out->receive_topic, sizeof(out->receive_topic), in->receive_topic.p,
                   in->receive_topic.len, false);
    kgr_text_clean(out->send_topic, sizeof(out->send_topic), in->send_topic.p, in->send_topic.len,
                   false);
    out->error = (enum kgr_error)in->error;
    kgr_text_clean(out->reason, sizeof(out->reason), in->reason.p, in->reason.len, false);
}

_Static_assert(sizeof(((struct kgr_peer *)NULL)->peer) == sizeof(((struct kgr_nid *)NULL)->s),
               "an N_ID has the same room here and there");

/* The list as far as it was read. */
struct peer_list {
    struct kgr_peer *peers; /* owned */
    size_t num;
    size_t cap;
    size_t total; /* what the agent said last */
};

static enum kgr_error grow(struct peer_list *list, size_t more)
{
    size_t cap = list->cap;
    struct kgr_peer *peers;

    if (list->num + more > PEERS_MAX)
        return kgr_call_check(KGR_ERR_CORRUPT);
    if (list->num + more <= cap)
        return KGR_OK;
    cap = list->num + more > 2 * cap ? list->num + more : 2 * cap;
    peers = realloc(list->peers, cap * sizeof(*peers));
    if (peers == NULL)
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    list->peers = peers;
    list->cap = cap;
    return KGR_OK;
}

static enum kgr_error read_page(struct peer_list *list, struct kgr_slice reply)
{
    struct kgr_ipc_peers_head head;
    struct kgr_ipc_peer entry;
    enum kgr_error err;
    struct kgr_rd rd;

    kgr_rd_init(&rd, reply.p, reply.len);
    kgr_ipc_peers_head_read(&rd, &head);
    if (head.num != 0 && kgr_rd_ok(&rd)) {
        err = grow(list, head.num);
        if (err != KGR_OK)
            return err;
    }
    for (size_t i = 0; i < head.num && kgr_rd_ok(&rd); i++) {
        kgr_ipc_peer_read(&rd, &entry);
        if (kgr_rd_ok(&rd))
            kgr_peer_set(&list->peers[list->num + i], &entry);
    }
    err = kgr_call_check(kgr_wire_read_result(&rd));
    if (err != KGR_OK)
        return err;
    list->num += head.num;
    /* An empty page ends the list, whatever it says: peers went away while it was read. */
    list->total = head.num == 0 ? list->num : head.total;
    return KGR_OK;
}

/* Reads page after page of peers, or of keys if these are asked for. */
static enum kgr_error read_list(struct kgr_client *client, struct kgr_ipc_keys *keys,
                                struct kgr_peer **out, size_t *out_num)
{
    struct peer_list list = {.total = 1};
    enum kgr_error err = KGR_OK;

    while (err == KGR_OK && list.num < list.total) {
        struct kgr_client_call call;

        err = kgr_call_begin(&call, client, keys != NULL ? KGR_IPC_KEYS : KGR_IPC_PEERS);
        if (err == KGR_OK && keys != NULL) {
            keys->offset = (uint32_t)list.num;
            err = kgr_call_run(&call, kgr_ipc_keys_encode(&call.request, keys));
        } else if (err == KGR_OK) {
            err = kgr_call_run(&call, kgr_ipc_u32_encode(&call.request, (uint32_t)list.num));
        }
        if (err == KGR_OK)
            err = read_page(&list, call.exchange.reply);
        kgr_call_end(&call);
    }
    if (err != KGR_OK) {
        free(list.peers);
        return err;
    }
    *out = list.peers;
    *out_num = list.num;
    return KGR_OK;
}

KGR_EXPORT enum kgr_error kgr_list_peers(struct kgr_client *client, struct kgr_peer **out,
                                         size_t *out_num)
{
    return read_list(client, NULL, out, out_num);
}

KGR_EXPORT enum kgr_error kgr_list_keys(struct kgr_client *client, const char *peer,
                                        struct kgr_peer **out, size_t *out_num)
{
    struct kgr_ipc_keys request = {.peer = kgr_slice(NULL, 0)};
    struct kgr_nid nid;

    if (peer != NULL) {
        enum kgr_error err = kgr_call_peer(&nid, peer);

        if (err != KGR_OK)
            return err;
        request.peer = kgr_slice(nid.s, strlen(nid.s));
    }
    return read_list(client, &request, out, out_num);
}
