/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include <string.h>

#include "agent/base/secret.h"
#include "agent/client/call.h"
#include "agent/client/reason.h"
#include "agent/wire/ipc_status.h"

_Static_assert(KGR_REFUSAL_COUNT == KGR_IPC_REFUSALS,
               "the causes have the same numbers here and there");
_Static_assert(KGR_FRAME_REFUSAL_COUNT == KGR_IPC_CAUSES, "as many here as on the wire");

static int64_t seconds(uint64_t s)
{
    return s > INT64_MAX ? -1 : (int64_t)s;
}

static void copy_status(struct kgr_status *out, const struct kgr_ipc_status *in)
{
    memset(out, 0, sizeof(*out));
    kgr_text_clean(out->node, sizeof(out->node), in->node.p, in->node.len, false);
    kgr_text_clean(out->version, sizeof(out->version), in->version.p, in->version.len, false);
    kgr_text_clean(out->broker, sizeof(out->broker), in->broker.p, in->broker.len, false);
    kgr_text_clean(out->tpm, sizeof(out->tpm), in->tpm.p, in->tpm.len, false);
    kgr_text_clean(out->alarms, sizeof(out->alarms), in->alarms.p, in->alarms.len, true);
    out->registered = in->registered;
    out->broker_connected = in->broker_connected;
    out->ks_answer_age_s = seconds(in->ks_answer_age_s);
    out->lease_s = seconds(in->lease_s);
    out->epoch = in->epoch;
    out->num_peers = in->num_peers;
    out->tpm_resident = in->resident;
    out->sealed = in->sealed;
    out->pin = in->pin;
    out->modes = in->modes;
    out->frames_refused = in->frames_refused;
    memcpy(out->frames_refused_by, in->frames_refused_by, sizeof(out->frames_refused_by));
    out->messages_sent = in->messages_sent;
    out->messages_accepted = in->messages_accepted;
    out->messages_waiting = in->messages_waiting;
    memcpy(out->messages_refused, in->messages_refused, sizeof(out->messages_refused));
}

KGR_EXPORT enum kgr_error kgr_get_status(struct kgr_client *client, struct kgr_status *out)
{
    struct kgr_ipc_status status;
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_begin(&call, client, KGR_IPC_STATUS);

    if (err == KGR_OK)
        err = kgr_call_run(&call, KGR_OK);
    if (err == KGR_OK)
        err = kgr_call_check(kgr_ipc_status_decode(&status, call.exchange.reply));
    if (err == KGR_OK)
        copy_status(out, &status);
    kgr_call_end(&call);
    return err;
}

KGR_EXPORT enum kgr_error kgr_check_pin(struct kgr_client *client, const uint8_t *pin, size_t len)
{
    struct kgr_client_call call;
    enum kgr_error err;

    if (pin == NULL && len != 0)
        return kgr_reason_set(KGR_ERR_INVALID, "no buffer");
    if (len > KGR_IPC_PIN_MAX)
        return kgr_reason_set(KGR_ERR_NOT_AUTHORIZED, "no PIN is so long");
    err = kgr_call_begin(&call, client, KGR_IPC_PIN);
    if (err == KGR_OK) {
        size_t before = call.request.len;

        kgr_wr_bytes(&call.request, pin, len);
        err = kgr_call_run(&call, KGR_OK);
        kgr_cleanse(call.request.p + before, len);
    }
    if (err == KGR_OK)
        err = kgr_call_check_empty(&call);
    kgr_call_end(&call);
    return err;
}
