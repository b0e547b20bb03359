/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/reload.h"

#include "agent/base/clock.h"
#include "agent/node/service/parts.h"
#include "agent/node/service/service.h"

#include <stdio.h>
#include <string.h>

/* reload: the configuration read anew, and what it changes for those who wait. */

void kgr_service_reload(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_reload reply = {.refused = false};
    char by[24];
    struct kgr_wr wr;
    enum kgr_error err;

    if (request->body.len != 0) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, NULL, KGR_RIGHT_MANAGE))
        return;
    (void)snprintf(by, sizeof(by), "uid %u", (unsigned)request->peer.uid);
    err = kgr_node_reload(service->node, by, service->reload, sizeof(service->reload));
    if (err != KGR_OK && err != KGR_ERR_CONFIG) {
        kgr_server_fail(service->server, request->call, err, service->reload);
        return;
    }
    reply.refused = err != KGR_OK;
    reply.text = kgr_slice(service->reload, strlen(service->reload));
    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    if (kgr_ipc_reload_encode(&wr, &reply) == KGR_OK)
        kgr_service_ok(service, request->call, kgr_wr_slice(&wr));
    else
        kgr_server_fail(service->server, request->call, KGR_ERR_FAILED, NULL);
}

enum kgr_error kgr_service_set_rights(struct kgr_service *service, struct kgr_policy *policy,
                                      const struct kgr_account_limits *limits)
{
    return kgr_server_set(service->server, policy, limits);
}

void kgr_service_reloaded(struct kgr_service *service)
{
    const struct kgr_pairs *pairs = &service->node->pairs;

    kgr_service_limit_messages(service);
    for (size_t i = 0; i < pairs->num; i++)
        kgr_renewal_look(pairs->list[i]);
    /* Who waits may have lost the right to, or what he waits for may be nearer. */
    kgr_service_look_at_waits(service);
    kgr_service_wake_receivers(service);
    kgr_service_look_at_holds(service);
}
