/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/audit.h"

#include <stdlib.h>

#include "agent/node/service/parts.h"

/* audit: the log of this node, page by page (docs/protocol.md, section 9.3). */

struct asking {
    struct kgr_service *service;
    struct kgr_call call;
    struct kgr_audit_query query;
};

static void reply(struct kgr_service *service, struct kgr_call call,
                  const struct kgr_audit_query *query)
{
    struct kgr_diag diag = {{0}};
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    err = kgr_node_audit_page(service->node, &wr, KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN, query,
                              &diag);
    if (err == KGR_OK)
        kgr_service_ok(service, call, kgr_wr_slice(&wr));
    else
        kgr_server_fail(service->server, call, err, kgr_diag_text(&diag, err));
}

static void on_signed(void *arg, enum kgr_error err)
{
    struct asking *asking = arg;

    if (err == KGR_OK)
        reply(asking->service, asking->call, &asking->query);
    else
        kgr_server_fail(asking->service->server, asking->call, err,
                        "the head of the audit log could not be signed");
    free(asking);
}

void kgr_service_audit(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_audit asked;
    struct asking *asking;

    if (kgr_ipc_audit_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, NULL, KGR_RIGHT_MANAGE))
        return;
    if (!asked.sign) {
        reply(service, request->call, &(struct kgr_audit_query){.from = asked.from});
        return;
    }
    asking = malloc(sizeof(*asking));
    if (asking == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_NO_MEMORY, NULL);
        return;
    }
    *asking = (struct asking){service, request->call, {.from = asked.from}};
    kgr_node_audit_sign(service->node, on_signed, asking);
}
