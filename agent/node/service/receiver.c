/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/node/service/parts.h"
#include "agent/wire/ipc_data.h"

#include <stdlib.h>

/* recv: who gets which message (docs/protocol.md, section 11). */

struct kgr_receiver {
    struct kgr_receiver *next;
    struct kgr_call call;
    struct kgr_nid peer; /* empty: any */
    uint64_t deadline_ms;
};

static bool may_receive(const struct kgr_service *service, const struct kgr_receiver *receiver,
                        const struct kgr_pair *pair)
{
    return kgr_service_allows(service, receiver->call, &pair->ex.s.peer, KGR_RIGHT_RECEIVE);
}

static const struct kgr_mailbox_item *waiting(const struct kgr_pair *pair)
{
    return pair == NULL || pair->mailbox == NULL ? NULL : kgr_mailbox_opened(pair->mailbox);
}

/* The pair whose message the receiver gets: of those that wait, the one that came first. */
static struct kgr_pair *choose(struct kgr_service *service, const struct kgr_receiver *receiver)
{
    const struct kgr_pairs *pairs = &service->node->pairs;
    struct kgr_pair *chosen = NULL;

    if (service->pool.num_opened == 0)
        return NULL;
    if (receiver->peer.s[0] != '\0') {
        chosen = kgr_pairs_find(pairs, &receiver->peer);
        return waiting(chosen) == NULL ? NULL : chosen;
    }
    for (size_t i = 0; i < pairs->num; i++) {
        struct kgr_pair *pair = pairs->list[i];

        if (waiting(pair) != NULL && may_receive(service, receiver, pair) &&
            (chosen == NULL || waiting(pair)->arrival < waiting(chosen)->arrival))
            chosen = pair;
    }
    return chosen;
}

/* How many messages more there are for the receiver. */
static uint32_t count_waiting(const struct kgr_service *service,
                              const struct kgr_receiver *receiver, const struct kgr_pair *from)
{
    const struct kgr_pairs *pairs = &service->node->pairs;
    size_t num = 0;

    if (receiver->peer.s[0] != '\0')
        return (uint32_t)kgr_mailbox_num_opened(from->mailbox) - 1;
    for (size_t i = 0; i < pairs->num; i++)
        if (waiting(pairs->list[i]) != NULL && may_receive(service, receiver, pairs->list[i]))
            num += kgr_mailbox_num_opened(pairs->list[i]->mailbox);
    return (uint32_t)num - 1;
}

/* hand_over gives the receiver a message, or tells him that none can come; true when he has his answer. */
static bool hand_over(struct kgr_service *service, const struct kgr_receiver *receiver)
{
    struct kgr_pair *pair = choose(service, receiver);
    const struct kgr_mailbox_item *item = waiting(pair);
    struct kgr_ipc_message message;
    struct kgr_wr wr;

    if (item == NULL)
        return false;
    message = (struct kgr_ipc_message){
        .peer = pair->ex.s.peer,
        .generation = item->generation,
        .sequence = item->sequence,
        .waiting = count_waiting(service, receiver, pair),
        .data = kgr_slice(item->bytes, item->len),
    };
    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    if (kgr_ipc_message_encode(&wr, &message) != KGR_OK) {
        kgr_server_fail(service->server, receiver->call, KGR_ERR_FAILED, NULL);
        return true;
    }
    kgr_service_ok(service, receiver->call, kgr_wr_slice(&wr));
    kgr_mailbox_take(pair->mailbox);
    return true;
}

/* vain: why no message of that peer can come; KGR_OK if one can. */
static enum kgr_error vain(const struct kgr_service *service, const struct kgr_receiver *receiver)
{
    const struct kgr_pair *pair;

    if (receiver->peer.s[0] == '\0')
        return KGR_OK;
    pair = kgr_pairs_find(&service->node->pairs, &receiver->peer);
    if (pair != NULL && (pair->status == KGR_PAIR_REVOKED || pair->status == KGR_PAIR_DENIED))
        return KGR_ERR_REVOKED;
    /* Before the first synchronisation nobody knows whom the KS will name. */
    if (!service->node->synced || (pair != NULL && pair->status == KGR_PAIR_ALLOWED))
        return KGR_OK;
    return pair == NULL ? KGR_ERR_UNKNOWN_PEER : KGR_ERR_NOT_AUTHORIZED;
}

/* refused answers a receiver who may not receive, or no more: of his peer, or of any. */
static bool refused(struct kgr_service *service, const struct kgr_receiver *receiver)
{
    const struct kgr_nid *peer = receiver->peer.s[0] == '\0' ? NULL : &receiver->peer;

    if (kgr_service_allows(service, receiver->call, peer, KGR_RIGHT_RECEIVE))
        return false;
    kgr_service_deny(service, receiver->call, KGR_IPC_RECV, peer, KGR_RIGHT_RECEIVE);
    return true;
}

/* settle answers the receiver if there is an answer; true when it did. */
static bool settle(struct kgr_service *service, const struct kgr_receiver *receiver,
                   uint64_t now_ms)
{
    enum kgr_error err;

    if (refused(service, receiver) || hand_over(service, receiver))
        return true;
    err = vain(service, receiver);
    if (err == KGR_OK && now_ms < receiver->deadline_ms)
        return false;
    kgr_server_fail(service->server, receiver->call, err == KGR_OK ? KGR_ERR_TIMEOUT : err,
                    err == KGR_OK ? "no message in time" : kgr_strerror(err));
    return true;
}

static void settle_all(struct kgr_service *service, uint64_t now_ms)
{
    struct kgr_receiver **link = &service->receivers;

    while (*link != NULL) {
        struct kgr_receiver *receiver = *link;

        if (!settle(service, receiver, now_ms)) {
            link = &receiver->next;
            continue;
        }
        *link = receiver->next;
        service->num_receivers--;
        free(receiver);
    }
}

void kgr_service_wake_receivers(struct kgr_service *service)
{
    settle_all(service, kgr_clock_boot_ms());
}

/* How many receivers the user of call has. */
static size_t count_receivers(const struct kgr_service *service, struct kgr_call call)
{
    size_t num = 0;

    for (const struct kgr_receiver *r = service->receivers; r != NULL; r = r->next)
        num += kgr_service_same_user(service, r->call, call);
    return num;
}

void kgr_service_recv(struct kgr_service *service, const struct kgr_server_request *request)
{
    uint64_t now = kgr_clock_boot_ms();
    struct kgr_receiver *receiver;
    struct kgr_receiver **link = &service->receivers;
    struct kgr_ipc_recv asked;

    if (kgr_ipc_recv_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (service->num_receivers >= service->node->settings->waits ||
        !kgr_service_is_fair(count_receivers(service, request->call),
                             service->node->settings->waits)) {
        kgr_server_fail(
            service->server, request->call, KGR_ERR_QUOTA,
            "too many wait for messages (limits.waits; one user has three quarters of it)");
        return;
    }
    receiver = calloc(1, sizeof(*receiver));
    if (receiver == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_NO_MEMORY, NULL);
        return;
    }
    receiver->call = request->call;
    kgr_copy(receiver->peer.s, asked.peer.p, asked.peer.len);
    receiver->deadline_ms = now + asked.timeout_ms;
    /* Whoever waits has found nothing: what is there is for the new one. */
    if (settle(service, receiver, now)) {
        free(receiver);
        return;
    }
    while (*link != NULL)
        link = &(*link)->next;
    *link = receiver;
    service->num_receivers++;
}

void kgr_service_forget_receivers(struct kgr_service *service, uint32_t slot, uint32_t generation)
{
    struct kgr_receiver **link = &service->receivers;

    while (*link != NULL) {
        struct kgr_receiver *receiver = *link;

        if (receiver->call.slot != slot || receiver->call.generation != generation) {
            link = &receiver->next;
            continue;
        }
        *link = receiver->next;
        service->num_receivers--;
        free(receiver);
    }
}

uint64_t kgr_service_receiver_deadline(const struct kgr_service *service)
{
    uint64_t deadline = UINT64_MAX;

    for (const struct kgr_receiver *r = service->receivers; r != NULL; r = r->next)
        if (r->deadline_ms < deadline)
            deadline = r->deadline_ms;
    return deadline;
}

void kgr_service_free_receivers(struct kgr_service *service)
{
    while (service->receivers != NULL) {
        struct kgr_receiver *receiver = service->receivers;

        service->receivers = receiver->next;
        free(receiver);
    }
}
