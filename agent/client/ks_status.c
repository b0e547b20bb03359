/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/ks_status.h"

#include <string.h>

#include "agent/base/text.h"
#include "agent/client/call.h"
#include "agent/client/reason.h"
#include "agent/wire/ipc_status.h"

static void copy_status(struct kgr_ks_status *out, const struct kgr_ipc_ks_status *in)
{
    memset(out, 0, sizeof(*out));
    kgr_text_clean(out->version, sizeof(out->version), in->version.p, in->version.len, false);
    kgr_text_clean(out->broker, sizeof(out->broker), in->broker.p, in->broker.len, false);
    kgr_text_clean(out->tpm, sizeof(out->tpm), in->tpm.p, in->tpm.len, false);
    kgr_text_clean(out->alarms, sizeof(out->alarms), in->alarms.p, in->alarms.len, true);
    kgr_text_clean(out->entropy, sizeof(out->entropy), in->entropy.p, in->entropy.len, true);
    (void)kgr_topic_text(out->topic0, in->topic0);
    out->epoch = in->epoch;
    out->broker_connected = in->broker_connected;
    out->nodes = in->nodes;
    out->registered = in->registered;
    out->open_exchanges = in->open_exchanges;
    out->holding_duplicates = in->holding_duplicates;
    out->frames_refused = in->frames_refused;
    memcpy(out->frames_refused_by, in->frames_refused_by, sizeof(out->frames_refused_by));
}

enum kgr_error kgr_get_ks_status(struct kgr_client *client, struct kgr_ks_status *out)
{
    struct kgr_ipc_ks_status status;
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_begin(&call, client, KGR_IPC_KS_STATUS);

    if (err == KGR_OK)
        err = kgr_call_run(&call, KGR_OK);
    if (err == KGR_OK)
        err = kgr_call_check(kgr_ipc_ks_status_decode(&status, call.exchange.reply));
    if (err == KGR_OK)
        copy_status(out, &status);
    kgr_call_end(&call);
    return err;
}
