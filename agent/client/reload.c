/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/reload.h"

#include "agent/base/text.h"
#include "agent/client/call.h"
#include "agent/client/reason.h"
#include "agent/wire/ipc_status.h"

enum kgr_error kgr_reload_configuration(struct kgr_client *client, bool ks, struct kgr_reload *out)
{
    struct kgr_ipc_reload reload;
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_begin(&call, client, ks ? KGR_IPC_KS_RELOAD : KGR_IPC_RELOAD);

    if (err == KGR_OK)
        err = kgr_call_run(&call, KGR_OK);
    if (err == KGR_OK)
        err = kgr_call_check(kgr_ipc_reload_decode(&reload, call.exchange.reply));
    if (err == KGR_OK) {
        out->refused = reload.refused;
        kgr_text_clean(out->text, sizeof(out->text), reload.text.p, reload.text.len, true);
    }
    kgr_call_end(&call);
    return err;
}
