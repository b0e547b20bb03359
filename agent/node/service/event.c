/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/node/service/service.h"
#include "agent/node/service/parts.h"
#include "agent/wire/ipc_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* subscribe and event: what happens, told to those who want to know (docs/protocol.md, section 11). */

struct kgr_subscription {
    struct kgr_subscription *next;
    uint32_t slot; /* of its connection */
    uint32_t generation;
    struct kgr_nid peer; /* empty: all */
    struct kgr_event_queue queue;
    bool asked; /* call waits for an event */
    struct kgr_call call;
};

static struct kgr_subscription *find(const struct kgr_service *service, struct kgr_call call)
{
    struct kgr_subscription *s = service->subscriptions;

    while (s != NULL && (s->slot != call.slot || s->generation != call.generation))
        s = s->next;
    return s;
}

/* May he see it? His rights may have changed since it happened. What concerns the node concerns everybody. */
static bool concerns(const struct kgr_service *service, const struct kgr_subscription *s,
                     const struct kgr_node_event *event)
{
    const struct kgr_call call = {.slot = s->slot, .generation = s->generation};

    return event->peer.s[0] == '\0' ||
           kgr_service_allows(service, call, &event->peer, KGR_RIGHT_LIST);
}

static bool next(const struct kgr_service *service, struct kgr_subscription *s,
                 struct kgr_node_event *out)
{
    while (kgr_event_queue_pop(&s->queue, out))
        if (concerns(service, s, out))
            return true;
    return false;
}

static void answer(struct kgr_service *service, struct kgr_subscription *s)
{
    struct kgr_node_event event;
    struct kgr_ipc_event reply;
    struct kgr_wr wr;

    if (!s->asked || !next(service, s, &event))
        return;
    s->asked = false;
    reply = (struct kgr_ipc_event){
        .type = (uint8_t)event.type,
        .peer = kgr_slice(event.peer.s, strlen(event.peer.s)),
        .generation = event.generation,
        .count = event.count,
        .error = (uint32_t)event.error,
        .unix_s = event.unix_s,
        .text = kgr_slice(event.text, strlen(event.text)),
    };
    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    if (kgr_ipc_event_encode(&wr, &reply) == KGR_OK)
        kgr_service_ok(service, s->call, kgr_wr_slice(&wr));
    else
        kgr_server_fail(service->server, s->call, KGR_ERR_FAILED, NULL);
}

static uint64_t wall_s(void)
{
    int64_t now = kgr_clock_wall_s();

    return now < 0 ? 0 : (uint64_t)now;
}

static void push(struct kgr_service *service, struct kgr_subscription *s,
                 const struct kgr_node_event *event)
{
    if (s->peer.s[0] != '\0' && event->peer.s[0] != '\0' &&
        kgr_nid_cmp(&s->peer, &event->peer) != 0)
        return;
    if (!concerns(service, s, event))
        return;
    kgr_event_queue_push(&s->queue, event);
    answer(service, s);
}

void kgr_service_emit(struct kgr_service *service, const struct kgr_node_event *event)
{
    struct kgr_node_event dated = *event;

    dated.unix_s = wall_s();
    for (struct kgr_subscription *s = service->subscriptions; s != NULL; s = s->next)
        push(service, s, &dated);
}

static struct kgr_node_event of_node(enum kgr_event_type type, const char *text)
{
    struct kgr_node_event event = {.type = type, .unix_s = wall_s()};

    (void)snprintf(event.text, sizeof(event.text), "%s", text == NULL ? "" : text);
    return event;
}

void kgr_service_happened(struct kgr_service *service, enum kgr_event_type type, const char *text)
{
    struct kgr_node_event event = of_node(type, text);

    kgr_service_emit(service, &event);
}

/* Requests */

/* What holds already: nobody shall wait for what happened before he came. */
static void tell_present(struct kgr_service *service, struct kgr_subscription *s)
{
    const struct kgr_pairs *pairs = &service->node->pairs;
    struct kgr_node_event event;

    if (service->node->lost_ms != 0) {
        event = of_node(KGR_EVENT_BROKER_LOST, "no connection");
        push(service, s, &event);
    }
    if (service->ks_lost) {
        event = of_node(KGR_EVENT_KS_LOST, NULL);
        push(service, s, &event);
    }
    for (size_t i = 0; service->pool.num_opened > 0 && i < pairs->num; i++) {
        const struct kgr_pair *pair = pairs->list[i];
        size_t num = pair->mailbox == NULL ? 0 : kgr_mailbox_num_opened(pair->mailbox);

        if (num == 0)
            continue;
        event = of_node(KGR_EVENT_MESSAGE, NULL);
        event.peer = pair->ex.s.peer;
        event.count = num;
        push(service, s, &event);
    }
}

/* How many subscribers are of the user of call. */
static size_t count_subscriptions(const struct kgr_service *service, struct kgr_call call)
{
    size_t num = 0;

    for (const struct kgr_subscription *s = service->subscriptions; s != NULL; s = s->next) {
        const struct kgr_call other = {.slot = s->slot, .generation = s->generation};

        num += kgr_service_same_user(service, other, call);
    }
    return num;
}

static enum kgr_error add(struct kgr_service *service, struct kgr_call call, struct kgr_slice peer,
                          const char **out_reason)
{
    struct kgr_subscription *s;

    *out_reason = NULL;
    if (find(service, call) != NULL) {
        *out_reason = "this connection has subscribed already";
        return KGR_ERR_STATE;
    }
    if (service->num_subscriptions >= service->node->settings->subscribers ||
        !kgr_service_is_fair(count_subscriptions(service, call),
                             service->node->settings->subscribers)) {
        *out_reason = "too many subscribe to events (limits.subscribers; one user has three "
                      "quarters of it)";
        return KGR_ERR_QUOTA;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return KGR_ERR_NO_MEMORY;
    if (kgr_event_queue_init(&s->queue, service->node->settings->events) != KGR_OK) {
        free(s);
        return KGR_ERR_NO_MEMORY;
    }
    s->slot = call.slot;
    s->generation = call.generation;
    kgr_copy(s->peer.s, peer.p, peer.len);
    s->next = service->subscriptions;
    service->subscriptions = s;
    service->num_subscriptions++;
    tell_present(service, s);
    return KGR_OK;
}

void kgr_service_subscribe(struct kgr_service *service, const struct kgr_server_request *request)
{
    const char *reason = NULL;
    struct kgr_nid named = {{0}};
    struct kgr_slice peer;
    enum kgr_error err;

    if (kgr_ipc_subscribe_decode(&peer, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    kgr_copy(named.s, peer.p, peer.len);
    if (peer.len != 0 && !kgr_service_may(service, request, &named, KGR_RIGHT_LIST))
        return;
    err = add(service, request->call, peer, &reason);
    if (err == KGR_OK)
        kgr_service_ok(service, request->call, kgr_slice(NULL, 0));
    else
        kgr_server_fail(service->server, request->call, err, reason);
}

void kgr_service_next_event(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_subscription *s = find(service, request->call);

    if (request->body.len != 0) {
        kgr_service_malformed(service, request);
    } else if (s == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_STATE, "subscribe first");
    } else if (s->asked) {
        kgr_server_fail(service->server, request->call, KGR_ERR_STATE,
                        "an event is awaited already");
    } else {
        s->asked = true;
        s->call = request->call;
        answer(service, s);
    }
}

static void drop(struct kgr_service *service, struct kgr_subscription **link)
{
    struct kgr_subscription *s = *link;

    *link = s->next;
    service->num_subscriptions--;
    kgr_event_queue_deinit(&s->queue);
    free(s);
}

void kgr_service_forget_subscription(struct kgr_service *service, uint32_t slot,
                                     uint32_t generation)
{
    struct kgr_subscription **link = &service->subscriptions;

    while (*link != NULL) {
        if ((*link)->slot == slot && (*link)->generation == generation)
            drop(service, link);
        else
            link = &(*link)->next;
    }
}

/* What happens */

static struct kgr_pair_told state_of(const struct kgr_pair *pair)
{
    return (struct kgr_pair_told){
        .generation = pair->ex.s.current.generation,
        .status = pair->status,
        .error = pair->ex.s.phase == KGR_EXCHANGE_FAILED ? pair->ex.s.error : KGR_OK,
    };
}

/* Whether a pair that might be used may be no more, or its node was revoked for good. */
static bool is_end(enum kgr_pair_status before, enum kgr_pair_status now)
{
    return (before == KGR_PAIR_ALLOWED && now != KGR_PAIR_ALLOWED) ||
           (before != KGR_PAIR_REVOKED && now == KGR_PAIR_REVOKED);
}

void kgr_service_tell_pair(struct kgr_service *service, struct kgr_pair *pair)
{
    struct kgr_pair_told before = pair->told;
    struct kgr_pair_told now = state_of(pair);
    struct kgr_node_event event = {.peer = pair->ex.s.peer, .generation = now.generation};

    pair->told = now;
    if (is_end(before.status, now.status)) {
        event.type = KGR_EVENT_REVOKED;
        event.error = now.status == KGR_PAIR_UNNAMED ? KGR_ERR_NOT_AUTHORIZED : KGR_ERR_REVOKED;
        kgr_service_emit(service, &event);
        event.error = KGR_OK;
    }
    if (now.generation > before.generation) {
        event.type = before.generation == 0 ? KGR_EVENT_KEY_READY : KGR_EVENT_KEY_RENEWED;
        kgr_service_emit(service, &event);
    }
    if (now.error != KGR_OK && now.error != before.error) {
        event.type = KGR_EVENT_FAILED;
        event.error = now.error;
        (void)snprintf(event.text, sizeof(event.text), "%s", kgr_strerror(now.error));
        kgr_service_emit(service, &event);
    }
}

/* When the KS counts as lost, if it does not answer; UINT64_MAX: nothing was asked, or it is told. */
static uint64_t loss_ms(const struct kgr_service *service)
{
    const struct kgr_node *node = service->node;

    if (service->ks_lost || !node->sync.active)
        return UINT64_MAX;
    return node->sync.begun_ms + node->settings->request_timeout_s * UINT64_C(1000);
}

void kgr_service_tell_ks(struct kgr_service *service)
{
    if (!service->ks_lost)
        return;
    service->ks_lost = false;
    kgr_service_happened(service, KGR_EVENT_KS_BACK, NULL);
}

uint64_t kgr_service_event_deadline(const struct kgr_service *service)
{
    return loss_ms(service);
}

void kgr_service_event_timer(struct kgr_service *service, uint64_t now_ms)
{
    if (now_ms < loss_ms(service))
        return;
    service->ks_lost = true;
    service->silent_since_ms = service->node->sync.begun_ms;
    kgr_service_happened(service, KGR_EVENT_KS_LOST, "no answer from the KS");
}

/* Life */

void kgr_service_init_events(struct kgr_service *service)
{
    const struct kgr_pairs *pairs = &service->node->pairs;

    /* Keys that were there before are no news. */
    for (size_t i = 0; i < pairs->num; i++)
        pairs->list[i]->told = state_of(pairs->list[i]);
}

void kgr_service_free_events(struct kgr_service *service)
{
    while (service->subscriptions != NULL)
        drop(service, &service->subscriptions);
}
