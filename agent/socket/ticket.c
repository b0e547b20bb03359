/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/ticket.h"

static void end_count(struct kgr_ticket *ticket)
{
    if (ticket->counted)
        kgr_account_end(kgr_principal_account(ticket->principal), 1);
    ticket->counted = false;
}

bool kgr_ticket_answer(struct kgr_ticket *ticket, struct kgr_slice body)
{
    end_count(ticket);
    if (ticket->ring != NULL)
        kgr_served_ring_reply(ticket->ring, &ticket->header, body);
    else if (kgr_outlet_send(ticket->outlet, &ticket->header, body) != KGR_OUTLET_SENT)
        return false;
    kgr_tally_add(ticket->tally, ticket->door, ticket->header.op, KGR_OK);
    return true;
}

void kgr_ticket_drop(struct kgr_ticket *ticket)
{
    if (ticket->outlet == NULL)
        return;
    end_count(ticket);
    kgr_outlet_release(ticket->outlet);
    if (ticket->ring != NULL)
        kgr_served_ring_unref(ticket->ring);
    kgr_principal_unref(ticket->principal);
    *ticket = (struct kgr_ticket){.outlet = NULL};
}
