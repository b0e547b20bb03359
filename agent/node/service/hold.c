/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/node/service/service.h"
#include "agent/node/service/parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A door's use of a key that is on its way waits for it: the request is kept, and handled again when the pair
 * changes or its time is over (docs/protocol.md, section 11).
 */
struct kgr_hold {
    struct kgr_hold *next;
    struct kgr_server_request request; /* its body is `body` */
    struct kgr_nid peer;
    uint64_t deadline_ms;
    bool again; /* the handler found nothing new */
    uint8_t body[];
};

static bool is_coming(const struct kgr_pair *pair)
{
    return pair->ex.s.phase != KGR_EXCHANGE_IDLE && pair->ex.s.phase != KGR_EXCHANGE_FAILED;
}

/* say_why completes the error of a request that waited in vain. */
static void say_why(const struct kgr_service *service, const struct kgr_pair *pair,
                    struct kgr_diag *diag)
{
    const struct kgr_node *node = service->node;
    const char *peer = pair->ex.s.peer.s;
    uint64_t now_ms = kgr_clock_boot_ms();
    uint64_t since_ms =
        node->sync.answer_ms > pair->requested_ms ? node->sync.answer_ms : pair->requested_ms;
    unsigned long long silent_s = (now_ms - since_ms) / 1000;

    diag->text[0] = '\0';
    if (node->lost_ms != 0)
        (void)kgr_diag_set(diag, KGR_ERR_NO_KEY, "no key with %s yet: no connection to the broker",
                           peer);
    else if (pair->ex.s.phase == KGR_EXCHANGE_REQUESTING && pair->told_busy)
        (void)kgr_diag_set(
            diag, KGR_ERR_NO_KEY,
            "no key with %s yet: %llu s ago the KS was busy, or the peer not registered", peer,
            silent_s);
    else if (pair->ex.s.phase == KGR_EXCHANGE_REQUESTING)
        (void)kgr_diag_set(diag, KGR_ERR_NO_KEY,
                           "no key with %s yet: no answer from the KS since %llu s", peer,
                           silent_s);
    else if (pair->ex.s.phase == KGR_EXCHANGE_WAITING)
        (void)kgr_diag_set(diag, KGR_ERR_NO_KEY,
                           "no key with %s yet: the peer has not confirmed it, nothing heard since "
                           "%llu s",
                           peer, silent_s);
    else if (is_coming(pair))
        (void)kgr_diag_set(diag, KGR_ERR_NO_KEY,
                           "no key with %s yet: the KS has not confirmed it since %llu s", peer,
                           silent_s);
    else if (pair->ex.s.error != KGR_OK)
        (void)kgr_diag_set(diag, KGR_ERR_NO_KEY, "no key with %s: the KS's answer was \"%s\"", peer,
                           kgr_strerror(pair->ex.s.error));
}

bool kgr_service_hold(struct kgr_service *service, const struct kgr_server_request *request,
                      const struct kgr_nid *peer, enum kgr_error err, struct kgr_diag *diag)
{
    uint64_t wait_ms = service->node->settings->first_use_wait_ms;
    const struct kgr_pair *pair = kgr_pairs_find(&service->node->pairs, peer);
    struct kgr_hold *hold = service->rerun;
    struct kgr_hold **end = &service->holds;

    if ((err != KGR_ERR_NO_KEY && err != KGR_ERR_EXPIRED) || pair == NULL)
        return false;
    if (hold != NULL) {
        hold->again = is_coming(pair) && kgr_clock_boot_ms() < hold->deadline_ms;
        if (!hold->again)
            say_why(service, pair, diag);
        return hold->again;
    }
    if (!is_coming(pair) || wait_ms == 0 ||
        service->num_holds >= service->node->settings->first_use_waits)
        return false;
    hold = calloc(1, sizeof(*hold) + request->body.len);
    if (hold == NULL)
        return false;
    hold->request = *request;
    hold->peer = *peer;
    hold->deadline_ms = kgr_clock_boot_ms() + wait_ms;
    kgr_copy(hold->body, request->body.p, request->body.len);
    hold->request.body = kgr_slice(hold->body, request->body.len);
    while (*end != NULL)
        end = &(*end)->next;
    *end = hold;
    service->num_holds++;
    return true;
}

void kgr_service_refuse(struct kgr_service *service, const struct kgr_server_request *request,
                        const struct kgr_nid *peer, enum kgr_error err, struct kgr_diag *diag)
{
    if (!kgr_service_hold(service, request, peer, err, diag))
        kgr_server_fail(service->server, request->call, err, kgr_diag_text(diag, err));
}

static void release(struct kgr_service *service, struct kgr_hold **link)
{
    struct kgr_hold *hold = *link;

    *link = hold->next;
    service->num_holds--;
    /* What applications encrypt is theirs. */
    kgr_cleanse(hold->body, hold->request.body.len);
    free(hold);
}

/* fail answers one whose exchange failed: handling it again would only begin another. */
static bool fail(struct kgr_service *service, const struct kgr_hold *hold)
{
    const struct kgr_pair *pair = kgr_pairs_find(&service->node->pairs, &hold->peer);
    const struct kgr_ring_key *key = kgr_ring_sending(service->node->pairs.ring, &hold->peer);
    struct kgr_diag diag = {{0}};

    if (pair == NULL || pair->ex.s.phase != KGR_EXCHANGE_FAILED ||
        (key != NULL && kgr_ring_key_rest_s(key, kgr_clock_boot_ms()) > 0))
        return false;
    say_why(service, pair, &diag);
    kgr_server_fail(service->server, hold->request.call, KGR_ERR_NO_KEY,
                    kgr_diag_text(&diag, KGR_ERR_NO_KEY));
    return true;
}

void kgr_service_look_at_holds(struct kgr_service *service)
{
    service->holds_due = true;
}

void kgr_service_rerun_holds(struct kgr_service *service, uint64_t now_ms)
{
    struct kgr_hold **link = &service->holds;
    bool all = service->holds_due;

    service->holds_due = false;
    while (*link != NULL) {
        struct kgr_hold *hold = *link;

        if (!all && now_ms < hold->deadline_ms) {
            link = &hold->next;
            continue;
        }
        if (!fail(service, hold)) {
            hold->again = false;
            service->rerun = hold;
            kgr_service_handle_request(service, &hold->request);
            service->rerun = NULL;
            if (hold->again) {
                link = &hold->next;
                continue;
            }
        }
        release(service, link);
    }
}

uint64_t kgr_service_holds_deadline(const struct kgr_service *service)
{
    uint64_t deadline = UINT64_MAX;

    if (service->holds != NULL && service->holds_due)
        return 0;
    for (const struct kgr_hold *hold = service->holds; hold != NULL; hold = hold->next)
        if (hold->deadline_ms < deadline)
            deadline = hold->deadline_ms;
    return deadline;
}

void kgr_service_forget_holds(struct kgr_service *service, uint32_t slot, uint32_t generation)
{
    struct kgr_hold **link = &service->holds;

    /* A reply to one of them can end the connection: its others are then answered into the void. */
    if (service->rerun != NULL)
        return;
    while (*link != NULL) {
        const struct kgr_hold *hold = *link;

        if (hold->request.call.slot == slot && hold->request.call.generation == generation)
            release(service, link);
        else
            link = &(*link)->next;
    }
}

void kgr_service_free_holds(struct kgr_service *service)
{
    while (service->holds != NULL)
        release(service, &service->holds);
}
