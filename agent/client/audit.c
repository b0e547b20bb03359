/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/audit.h"

#include "agent/client/call.h"
#include "agent/client/reason.h"
#include "agent/wire/ipc_status.h"

static enum kgr_error take(struct kgr_audit_page *out, struct kgr_slice body, struct kgr_wr *wr)
{
    struct kgr_slice pub, entries;
    struct kgr_rd rd;

    kgr_rd_init(&rd, body.p, body.len);
    pub = kgr_rd_vec16(&rd, sizeof(out->pub));
    kgr_audit_head_read(&rd, &out->head);
    entries = kgr_rd_rest(&rd);
    if (!kgr_rd_ok(&rd))
        return kgr_call_check(KGR_ERR_CORRUPT);
    out->pub_len = pub.len;
    kgr_copy(out->pub, pub.p, pub.len);
    kgr_wr_bytes(wr, entries.p, entries.len);
    return kgr_wr_ok(wr) ? KGR_OK : kgr_reason_set(KGR_ERR_TOO_LARGE, "the audit log is too long");
}

enum kgr_error kgr_get_audit(struct kgr_client *client, uint64_t from, bool sign,
                             struct kgr_audit_page *out, struct kgr_wr *wr)
{
    const struct kgr_ipc_audit asked = {.from = from, .sign = sign};
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_begin(&call, client, KGR_IPC_AUDIT);

    if (err == KGR_OK)
        err = kgr_call_run(&call, kgr_ipc_audit_encode(&call.request, &asked));
    if (err == KGR_OK)
        err = take(out, call.exchange.reply, wr);
    kgr_call_end(&call);
    return err;
}
