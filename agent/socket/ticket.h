/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/buf.h"
#include "agent/socket/outlet.h"
#include "agent/socket/principal.h"
#include "agent/socket/ring.h"
#include "agent/socket/tally.h"
#include "agent/wire/ipc.h"

/*
 * The right to answer one call of a client, for a thread beside the loop (kgr_server_ticket). It carries the call's count in
 * the user's account, which ends before the client can have the answer: who sends his next request at once is not
 * refused for the one before. One thread at a time.
 */
struct kgr_ticket {
    struct kgr_outlet *outlet;       /* held; NULL: no ticket */
    struct kgr_served_ring *ring;    /* held; not NULL: the answer goes there */
    struct kgr_principal *principal; /* held */
    struct kgr_ipc_header header;    /* of the answer */
    bool counted;
    struct kgr_tally *tally; /* borrowed: its server outlives who answers */
    enum kgr_door door;
};

/* kgr_ticket_answer sends the answer; false: it could not at once, and the loop must. */
KGR_MUST_CHECK bool kgr_ticket_answer(struct kgr_ticket *ticket, struct kgr_slice body);
/* kgr_ticket_drop ends what is left of it, used or not; accepts none. */
void kgr_ticket_drop(struct kgr_ticket *ticket);
