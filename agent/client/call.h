/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"
#include "agent/base/text.h"
#include "agent/client/client.h"

/*
 * One request to the agent:
 *
 *     err = kgr_call_begin(&call, client, KGR_IPC_X);
 *     if (err == KGR_OK)
 *         err = kgr_call_run(&call, kgr_ipc_x_encode(&call.request, &x));
 *     if (err == KGR_OK)
 *         err = kgr_call_check(kgr_ipc_y_decode(&y, call.exchange.reply));
 *     kgr_call_end(&call);
 *
 * kgr_call_end is due whatever kgr_call_begin returned. Failures leave their words in the thread's reason.
 */
struct kgr_client_call {
    struct kgr_process *process;
    struct kgr_exchange exchange;
    struct kgr_wr request; /* its body; writes to the exchange's packet */
    int timeout_ms;        /* the client's, unless changed before the call is run */
};

/* kgr_call_begin: KGR_ERR_NO_MEMORY, KGR_ERR_INVALID without a client. */
KGR_MUST_CHECK enum kgr_error kgr_call_begin(struct kgr_client_call *call,
                                             struct kgr_client *client, uint16_t op);

/*
 * kgr_call_exchange sends the request and waits; then call->exchange tells the status of the agent's answer and its
 * body. encoded is what the encoder of the request's body returned. Errors: those of kgr_channel_exchange;
 * KGR_ERR_TOO_LARGE if the request is.
 */
KGR_MUST_CHECK enum kgr_error kgr_call_exchange(struct kgr_client_call *call,
                                                enum kgr_error encoded);

/* kgr_call_refusal takes the agent's words from an answer whose status is not KGR_OK, and returns its status. */
KGR_MUST_CHECK enum kgr_error kgr_call_refusal(struct kgr_client_call *call);

/* kgr_call_run is both: it succeeds only if the agent did what it was asked. */
KGR_MUST_CHECK enum kgr_error kgr_call_run(struct kgr_client_call *call, enum kgr_error encoded);

/* kgr_call_check passes on what the decoder of a reply returned, and finds words for it. */
KGR_MUST_CHECK enum kgr_error kgr_call_check(enum kgr_error decoded);

/* kgr_call_check_empty: KGR_ERR_CORRUPT unless the reply has no body. */
KGR_MUST_CHECK enum kgr_error kgr_call_check_empty(const struct kgr_client_call *call);

/* kgr_call_end wipes and returns the buffer. */
void kgr_call_end(struct kgr_client_call *call);

/* kgr_call_peer and kgr_call_key read a caller's peer or key; KGR_ERR_INVALID. */
KGR_MUST_CHECK enum kgr_error kgr_call_peer(struct kgr_nid *out, const char *peer);
KGR_MUST_CHECK enum kgr_error kgr_call_key(struct kgr_ipc_key *out, const struct kgr_key *key);
