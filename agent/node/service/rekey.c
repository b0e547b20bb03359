/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/node/service/service.h"
#include "agent/node/service/parts.h"

#include <stdlib.h>

/* rekey: renewal of NKSK on demand (docs/protocol.md, section 5.2). */

#define WAITS_MAX 64u

struct kgr_rekey_wait {
    struct kgr_rekey_wait *next;
    struct kgr_call call;
    bool storage;
    uint64_t deadline_ms;
};

static bool has_room(const struct kgr_service *service)
{
    size_t n = 0;

    for (const struct kgr_rekey_wait *wait = service->rekeys; wait != NULL; wait = wait->next)
        n++;
    return n < WAITS_MAX;
}

void kgr_service_rekey(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_rekey asked;
    struct kgr_rekey_wait *wait = NULL;
    enum kgr_error err;

    if (kgr_ipc_rekey_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, NULL, KGR_RIGHT_MANAGE))
        return;
    if (asked.timeout_ms != 0) {
        if (has_room(service))
            wait = calloc(1, sizeof(*wait));
        if (wait == NULL) {
            kgr_server_fail(service->server, request->call, KGR_ERR_QUOTA,
                            "too many wait for a renewal of NKSK");
            return;
        }
        /* First: what fails at once is answered from the list. */
        wait->call = request->call;
        wait->storage = asked.storage;
        wait->deadline_ms = kgr_clock_boot_ms() + asked.timeout_ms;
        wait->next = service->rekeys;
        service->rekeys = wait;
    }
    err = kgr_nksk_want(service->node, asked.storage);
    if (err != KGR_OK && wait != NULL)
        kgr_service_rekeyed(service, true, err, kgr_strerror(err));
    else if (err != KGR_OK)
        kgr_server_fail(service->server, request->call, err, NULL);
    else if (wait == NULL)
        kgr_service_ok(service, request->call, kgr_slice(NULL, 0));
}

void kgr_service_rekeyed(struct kgr_service *service, bool storage, enum kgr_error err,
                         const char *text)
{
    struct kgr_rekey_wait **link;

    if (service == NULL)
        return;
    link = &service->rekeys;
    while (*link != NULL) {
        struct kgr_rekey_wait *wait = *link;

        if (wait->storage && !storage) {
            link = &wait->next;
            continue;
        }
        *link = wait->next;
        if (err == KGR_OK)
            kgr_service_ok(service, wait->call, kgr_slice(NULL, 0));
        else
            kgr_server_fail(service->server, wait->call, err, text);
        free(wait);
    }
}

uint64_t kgr_service_rekey_deadline(const struct kgr_service *service)
{
    uint64_t deadline = UINT64_MAX;

    for (const struct kgr_rekey_wait *wait = service->rekeys; wait != NULL; wait = wait->next)
        if (wait->deadline_ms < deadline)
            deadline = wait->deadline_ms;
    return deadline;
}

void kgr_service_rekey_on_timer(struct kgr_service *service, uint64_t now_ms)
{
    struct kgr_rekey_wait **link = &service->rekeys;

    while (*link != NULL) {
        struct kgr_rekey_wait *wait = *link;

        if (now_ms < wait->deadline_ms) {
            link = &wait->next;
            continue;
        }
        *link = wait->next;
        kgr_server_fail(service->server, wait->call, KGR_ERR_TIMEOUT,
                        "the renewal of NKSK is not done yet; it goes on");
        free(wait);
    }
}

void kgr_service_forget_rekeys(struct kgr_service *service, uint32_t slot, uint32_t generation)
{
    struct kgr_rekey_wait **link = &service->rekeys;

    while (*link != NULL) {
        struct kgr_rekey_wait *wait = *link;

        if (wait->call.slot != slot || wait->call.generation != generation) {
            link = &wait->next;
            continue;
        }
        *link = wait->next;
        free(wait);
    }
}

void kgr_service_free_rekeys(struct kgr_service *service)
{
    while (service->rekeys != NULL) {
        struct kgr_rekey_wait *wait = service->rekeys;

        service->rekeys = wait->next;
        free(wait);
    }
}
