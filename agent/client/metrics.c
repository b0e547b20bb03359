/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/metrics.h"

#include "agent/client/call.h"

enum kgr_error kgr_get_metrics(struct kgr_client *client, bool ks, char *out, size_t *out_len)
{
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_begin(&call, client, ks ? KGR_IPC_KS_METRICS : KGR_IPC_METRICS);

    if (err == KGR_OK)
        err = kgr_call_run(&call, KGR_OK);
    if (err == KGR_OK) {
        *out_len = call.exchange.reply.len; /* less than a packet */
        kgr_copy(out, call.exchange.reply.p, *out_len);
    }
    kgr_call_end(&call);
    return err;
}
