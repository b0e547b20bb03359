/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/protocol/origin.h"

#include <string.h>

#include "agent/server/protocol/frames.h"
#include "agent/wire/body_exchange.h"
#include "agent/wire/frame.h"
#include "agent/wire/ipc.h"

static void release(struct kgr_ks *ks, struct kgr_ks_origin *origin)
{
    kgr_ks_key_release(ks, origin->key);
    origin->key = NULL;
}

void kgr_ks_origin_answer(struct kgr_ks *ks, struct kgr_ks_origin *origin, struct kgr_slice result)
{
    struct kgr_diag diag = {{0}};

    if (origin->key == NULL) {
        kgr_server_reply(ks->server, origin->call, KGR_OK, result);
        return;
    }
    /* Sequences are taken in transactions; this one changes nothing. */
    if (kgr_ks_begin(ks) == KGR_OK)
        kgr_ks_end(ks,
                   kgr_ks_frames_send(ks, origin->key, KGR_FRAME_RESULT, origin->xid, result, NULL),
                   &diag);
    release(ks, origin);
}

static void nack(struct kgr_ks *ks, struct kgr_ks_origin *origin)
{
    const struct kgr_ks_frame frame = {
        .key = origin->key,
        .node = origin->key->node,
        .type = KGR_FRAME_ORDER,
        .xid = origin->xid,
        .sequence = origin->sequence,
    };
    struct kgr_diag diag = {{0}};

    if (kgr_ks_begin(ks) == KGR_OK)
        kgr_ks_end(ks, kgr_ks_frames_nack(ks, &frame, KGR_REASON_NOT_AUTHORIZED, 0), &diag);
}

void kgr_ks_origin_refuse(struct kgr_ks *ks, struct kgr_ks_origin *origin, enum kgr_error err,
                          const char *text)
{
    uint8_t body[1 + KGR_IPC_TEXT_MAX];
    size_t len = strlen(text);
    struct kgr_wr wr;

    if (origin->key != NULL) {
        /* What the KS cannot do now is silence: the AC asks again. */
        if (err == KGR_ERR_NOT_AUTHORIZED || err == KGR_ERR_CORRUPT)
            nack(ks, origin);
        release(ks, origin);
        return;
    }
    kgr_wr_init(&wr, body, sizeof body);
    kgr_wr_vec8(&wr, kgr_slice(text, len < KGR_IPC_TEXT_MAX ? len : KGR_IPC_TEXT_MAX));
    kgr_server_reply(ks->server, origin->call, err, kgr_wr_slice(&wr));
}
