/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/ipc.h"
#include "agent/wire/record.h"

/* Messages and events over the local socket: docs/protocol.md, section 11. Slices borrow the decoded input. */
#define KGR_IPC_EVENT_TEXT_MAX 120
#define KGR_IPC_EVENT_FIRST    1
#define KGR_IPC_EVENT_LAST     12

struct kgr_ipc_send {
    struct kgr_nid peer;
    struct kgr_slice data;
};

struct kgr_ipc_recv {
    struct kgr_slice peer; /* an N_ID, or empty: any */
    uint32_t timeout_ms;
};

struct kgr_ipc_message {
    struct kgr_nid peer;
    uint64_t generation; /* from 1 */
    uint64_t sequence;   /* from 1 */
    uint32_t waiting;    /* messages behind this one */
    struct kgr_slice data;
};

struct kgr_ipc_event {
    uint8_t type;          /* enum kgr_event_type of kgr/client.h */
    struct kgr_slice peer; /* an N_ID, or empty: the node's own */
    uint64_t generation;
    uint64_t count;
    uint32_t error;        /* enum kgr_error */
    uint64_t unix_s;       /* when it happened */
    struct kgr_slice text; /* for people, may be empty */
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_send_decode(struct kgr_ipc_send *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_send_encode(struct kgr_wr *wr, const struct kgr_ipc_send *in);
KGR_MUST_CHECK enum kgr_error kgr_ipc_recv_decode(struct kgr_ipc_recv *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_recv_encode(struct kgr_wr *wr, const struct kgr_ipc_recv *in);
/* the reply to recv */
KGR_MUST_CHECK enum kgr_error kgr_ipc_message_decode(struct kgr_ipc_message *out,
                                                     struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_message_encode(struct kgr_wr *wr,
                                                     const struct kgr_ipc_message *in);
/* subscribe: an N_ID, or empty */
KGR_MUST_CHECK enum kgr_error kgr_ipc_subscribe_decode(struct kgr_slice *out,
                                                       struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_subscribe_encode(struct kgr_wr *wr, struct kgr_slice peer);
/* the reply to event */
KGR_MUST_CHECK enum kgr_error kgr_ipc_event_decode(struct kgr_ipc_event *out,
                                                   struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_event_encode(struct kgr_wr *wr,
                                                   const struct kgr_ipc_event *in);
