/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/log.h"
#include "agent/base/secret.h"
#include "agent/node/service/fast.h"
#include "agent/node/service/record.h"
#include "agent/node/service/service.h"
#include "agent/socket/workers.h"

/* Requests that do not wait for the loop: on the crypto workers, and on the loop before its handlers. */

/* What workers used up is reserved ahead on disk, and who was heard is noted. */
static void on_wanted(void *arg)
{
    struct kgr_service *service = arg;
    const struct kgr_pairs *pairs = &service->node->pairs;

    if (!atomic_exchange_explicit(&service->views.wanted, false, memory_order_acquire))
        return;
    for (size_t i = 0; i < pairs->num; i++)
        for (size_t j = 0; j < KGR_RING_NUM_PLACES; j++) {
            struct kgr_pair_records *records = pairs->list[i]->records[j];

            if (records == NULL ||
                !atomic_exchange_explicit(&records->wanted, false, memory_order_acq_rel))
                continue;
            kgr_record_refill(service, pairs->list[i], records);
            kgr_service_refill_budget(service, pairs->list[i], records);
        }
    kgr_node_served(service->node, true);
}

static enum kgr_worker_verdict on_worker(void *arg, const struct kgr_worker_request *request,
                                         struct kgr_wr *reply, enum kgr_error *status,
                                         struct kgr_diag *diag)
{
    struct kgr_service *service = arg;
    const struct kgr_fast_request asked = {
        .op = request->op,
        .body = kgr_slice(request->body, request->body_len),
        .scratch = request->scratch,
        .principal = request->peer.principal,
    };

    (void)status;
    (void)diag;
    return kgr_fast_handle(&service->views, &asked, reply) ? KGR_WORKER_DONE : KGR_WORKER_LOOP;
}

static enum kgr_error retire(void *ctx, kgr_loop_fn *fn, void *arg)
{
    return kgr_workers_retire(ctx, fn, arg);
}

enum kgr_error kgr_service_begin_beside(struct kgr_service *service, struct kgr_diag *diag)
{
    const struct kgr_workers_options options = {
        .scratch_len = sizeof(struct kgr_fast_scratch),
        .handler = on_worker,
        .arg = service,
    };
    enum kgr_error err =
        kgr_wakeup_new(&service->views.wakeup, service->node->loop, on_wanted, service);

    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "out of memory");
    /* Without one the handlers do it all. */
    service->scratch = kgr_secret_alloc(sizeof(*service->scratch));
    err = kgr_workers_start(&service->workers, service->node->loop, &options, diag);
    if (err != KGR_OK) {
        kgr_warn("no_workers", "reason=\"%s\"", kgr_diag_text(diag, err));
        service->workers = NULL;
        return KGR_OK;
    }
    service->views.retire = retire;
    service->views.retire_ctx = service->workers;
    return KGR_OK;
}

void kgr_service_end_beside(struct kgr_service *service)
{
    if (service->workers != NULL)
        kgr_views_withdraw(&service->views);
    kgr_workers_stop(service->workers);
    service->workers = NULL;
    kgr_views_deinit(&service->views);
    kgr_wakeup_free(service->views.wakeup);
    service->views.wakeup = NULL;
    kgr_secret_free(service->scratch);
    service->scratch = NULL;
}

void kgr_service_publish(struct kgr_service *service)
{
    kgr_views_publish(&service->views, service->node);
}

bool kgr_service_at_once(struct kgr_service *service, const struct kgr_server_request *request)
{
    const struct kgr_fast_request asked = {
        .op = request->op,
        .body = request->body,
        .scratch = service->scratch,
        .principal = kgr_server_principal(service->server, request->call),
    };
    struct kgr_wr reply;

    kgr_wr_init(&reply, service->reply, sizeof(service->reply) - KGR_IPC_HEADER_LEN);
    /* A request that is handled again may see more than was published. */
    if (service->rerun != NULL || service->scratch == NULL ||
        !kgr_fast_handle(&service->views, &asked, &reply))
        return false;
    service->plain = true;
    kgr_service_ok(service, request->call, kgr_wr_slice(&reply));
    kgr_cleanse(service->reply, reply.len);
    return true;
}
